/** SessionService: opens, reads and closes the sessions that the gate keeps itself. */
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import {
  CloseSessionRequestSchema,
  CloseSessionResponseSchema,
  GetSessionRequestSchema,
  GetSessionResponseSchema,
  ListSessionsRequestSchema,
  ListSessionsResponseSchema,
  OpenSessionRequestSchema,
  OpenSessionResponseSchema,
  type SessionRecord,
  SessionRecordSchema,
  type SessionService,
} from "@kavach/api";
import type { Sessions } from "@kavach/gate";
import { DEFAULT_REALM } from "@kavach/model";
import { validated } from "@kavach/serve";
import type { StoredSession } from "@kavach/store";
import { environmentFromWire, principalFromWire, revisionToWire, sessionToWire } from "@kavach/wire";
import { atDoor, required } from "./door-error.ts";

const realmOf = (request: { realm: string }) => (request.realm === "" ? DEFAULT_REALM : request.realm);

export function sessionService(sessions: Sessions): ServiceImpl<typeof SessionService> {
  return {
    openSession: atDoor(async (request) => {
      validated(OpenSessionRequestSchema, request);
      const principal = principalFromWire(required(request.principal, "principal"), "principal");
      const origin = request.environment === undefined ? {} : environmentFromWire(request.environment);
      const session = await sessions.open(realmOf(request), principal, origin);
      return create(OpenSessionResponseSchema, { session: writeSession(session) });
    }),
    getSession: atDoor(async (request) => {
      validated(GetSessionRequestSchema, request);
      const session = await sessions.get(realmOf(request), request.principalId, request.sessionId);
      return create(GetSessionResponseSchema, { session: writeSession(session) });
    }),
    listSessions: atDoor(async (request) => {
      validated(ListSessionsRequestSchema, request);
      const found = await sessions.list(realmOf(request), request.principalId);
      return create(ListSessionsResponseSchema, { sessions: found.map(writeSession) });
    }),
    closeSession: atDoor(async (request) => {
      validated(CloseSessionRequestSchema, request);
      const revision = await sessions.close(realmOf(request), request.principalId, request.sessionId);
      return create(CloseSessionResponseSchema, { revision: revisionToWire(revision) });
    }),
  };
}

function writeSession(session: StoredSession): SessionRecord {
  return create(SessionRecordSchema, {
    session: sessionToWire(session),
    principalId: session.principalId,
    expiresAt: timestampFromMs(session.expiresAtMs),
    born: revisionToWire(session.born),
  });
}
