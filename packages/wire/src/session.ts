/** Session facts between wire and model. */
import { create } from "@bufbuild/protobuf";
import { SessionSchema, type Session as WireSession } from "@kavach/api";
import { Bug, type Session } from "@kavach/model";
import { instantFromWire, instantToWire } from "./instants.ts";
import { deviceFromWire, geoFromWire } from "./place.ts";
import { below } from "./violation.ts";

const UINT32_MAX = 0xffff_ffff;

/** `nowMs` is the start of a session whose start is not given. Of the limits, only the range of `started_at` is checked here. */
export function sessionFromWire(session: WireSession, path: string, nowMs: number): Session {
  const { sessionId, startedAt, actionCount, originIp, originGeo, originDevice } = session;
  const device = originDevice === undefined ? undefined : deviceFromWire(originDevice);
  return {
    id: sessionId,
    startedAtMs: startedAt === undefined ? nowMs : instantFromWire(startedAt, below(path, "started_at")),
    ...(startedAt === undefined && { startAssumed: true }),
    actionCount,
    ...(originIp !== "" && { originIp }),
    ...(originGeo !== undefined && { originGeo: geoFromWire(originGeo) }),
    ...(device !== undefined && { originDevice: device }),
  };
}

/**
 * Throws `Bug` for a session that its caller says is void: the wire has no word for that, and leaving it out would make
 * the session valid. Callers refuse such a context before they come here.
 */
export function sessionToWire(session: Session): WireSession {
  const { id, startedAtMs, actionCount, originIp, originGeo, originDevice } = session;
  if (session.invalidated === true) throw new Bug("a session that is void cannot be sent");
  return create(SessionSchema, {
    sessionId: id,
    // A start that was only assumed stays unsaid, so that the gate knows it for what it is.
    ...(session.startAssumed !== true && { startedAt: instantToWire(startedAtMs) }),
    // More than the field holds reads as the most it holds: a count only ever refuses.
    actionCount: Math.min(actionCount, UINT32_MAX),
    ...(originIp !== undefined && { originIp }),
    ...(originGeo !== undefined && { originGeo }),
    ...(originDevice !== undefined && { originDevice }),
  });
}
