/** InvalidationService on a gate-node: `Invalidate` is passed on to the log's one writer; watching is the fan-out's. */
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, type ServiceImpl } from "@connectrpc/connect";
import { InvalidateRequestSchema, InvalidateResponseSchema, type InvalidationService, Wait } from "@kavach/api";
import { DEFAULT_REALM } from "@kavach/model";
import { validated } from "@kavach/serve";
import { revisionToWire, scopeFromWire } from "@kavach/wire";
import { atDoor } from "./door-error.ts";
import type { State } from "./state.ts";

export function invalidationService(state: State): ServiceImpl<typeof InvalidationService> {
  return {
    invalidate: atDoor(async (request) => {
      validated(InvalidateRequestSchema, request);
      const realm = request.realm === "" ? DEFAULT_REALM : request.realm;
      const scope = scopeFromWire(request.scope, "scope");
      const revision = await state.invalidate(realm, scope, request.idempotencyKey, request.wait === Wait.ALL);
      // What a caller was told is true on the node that told it, as soon as it was told.
      await state.revocations.reach(revision);
      return create(InvalidateResponseSchema, { revision: revisionToWire(revision) });
    }),
    getHead: async () => {
      throw elsewhere();
    },
    // biome-ignore lint/correctness/useYield: there is nothing to yield; the call ends with the error.
    watchInvalidations: async function* () {
      throw elsewhere();
    },
  };
}

function elsewhere(): ConnectError {
  return new ConnectError("a gate-node only passes on Invalidate; ask a fan-out", Code.Unimplemented);
}
