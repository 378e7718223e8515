/** InvalidationService: the one writer of the log, and its relay. */
import { create } from "@bufbuild/protobuf";
import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import {
  GetHeadRequestSchema,
  GetHeadResponseSchema,
  InvalidateRequestSchema,
  InvalidateResponseSchema,
  type InvalidationService,
  Wait,
  WatchInvalidationsRequestSchema,
  type WatchInvalidationsResponse,
  WatchInvalidationsResponseSchema,
} from "@kavach/api";
import { DEFAULT_REALM, InputError, type Revision } from "@kavach/model";
import { validated } from "@kavach/serve";
import {
  instantToWire,
  recordToWire,
  revisionFromWire,
  revisionToWire,
  scopeFromWire,
  snapshotToWire,
} from "@kavach/wire";
import type { FreshHead } from "./fresh-head.ts";
import type { FanoutMetrics } from "./telemetry.ts";
import { type WatchEvent, type WatchParts, watch } from "./watch.ts";

export interface ServiceParts extends WatchParts {
  readonly heads: FreshHead;
  readonly metrics: FanoutMetrics;
  /** The longest lease of any node, milliseconds. */
  readonly leaseMs: number;
}

export function invalidationService(parts: ServiceParts): ServiceImpl<typeof InvalidationService> {
  const { log, opener, tail, heads, metrics } = parts;
  return {
    async invalidate(request, context) {
      validated(InvalidateRequestSchema, request);
      const realm = request.realm === "" ? DEFAULT_REALM : request.realm;
      const scope = scopeFromWire(request.scope, "scope");
      const { idempotencyKey } = request;
      const revision = await metrics.append(() => opener.opened(() => log.append({ realm, scope, idempotencyKey })));
      opener.know(revision);
      // The bell may be slow; whoever watches here need not wait for it.
      tail.catchUp().catch(() => {});
      if (request.wait === Wait.ALL) await leaseOver(parts.leaseMs, context);
      return create(InvalidateResponseSchema, { revision: revisionToWire(revision) });
    },

    async *watchInvalidations(request, context) {
      validated(WatchInvalidationsRequestSchema, request);
      const { realm } = request;
      const from = request.from === undefined ? undefined : revisionFromWire(request.from, "from");
      if (realm === "" && from !== undefined) requirePlausible(from, opener.known, "from");
      const leave = metrics.enterWatcher();
      try {
        for await (const event of watch(parts, { realm, from, signal: context.signal })) yield eventToWire(event);
      } catch (error) {
        metrics.watchEnded(error);
        throw error;
      } finally {
        leave();
      }
    },

    async getHead(request) {
      validated(GetHeadRequestSchema, request);
      const applied = request.applied === undefined ? undefined : revisionFromWire(request.applied, "applied");
      // Only a node's word counts against the log: it opens the log again, which costs every login.
      const isNode = request.watcherId !== "";
      if (isNode && applied !== undefined) requirePlausible(applied, opener.known, "applied");
      const { head, storeTimeMs } = await heads.ask(isNode ? applied : undefined);
      return create(GetHeadResponseSchema, { head: revisionToWire(head), storeTime: instantToWire(storeTimeMs) });
    },
  };
}

/**
 * After one lease no node can permit without having asked for the head again, which now holds the record. Grants are
 * kept where the question was put: at any replica, or at the log itself. No replica sees them all, so the whole lease is waited out.
 */
function leaseOver(leaseMs: number, { signal }: Pick<HandlerContext, "signal">): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", abort);
      resolve();
    }, leaseMs);
    if (signal.aborted) abort();
    else signal.addEventListener("abort", abort, { once: true });
  });
}

/** A generation can count instants, so the next one may be far off; one that no log can have is refused, not remembered. */
const GENERATIONS_AHEAD_MAX = 1e13;

function requirePlausible(claim: Revision, known: Revision, field: string): void {
  if (claim.generation - known.generation <= GENERATIONS_AHEAD_MAX) return;
  throw new InputError([{ field: `${field}.generation`, reason: "is no generation of this log" }]);
}

function eventToWire(event: WatchEvent): WatchInvalidationsResponse {
  switch (event.kind) {
    case "record":
      return create(WatchInvalidationsResponseSchema, { event: { case: "record", value: recordToWire(event.record) } });
    case "resync":
      return create(WatchInvalidationsResponseSchema, {
        event: { case: "resync", value: snapshotToWire(event.snapshot) },
      });
    case "heartbeat":
      return create(WatchInvalidationsResponseSchema, {
        event: { case: "heartbeat", value: { head: revisionToWire(event.head) } },
      });
  }
}
