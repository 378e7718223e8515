/** What a node asks of the fan-outs: the head, the stream, and to write a revocation. */
import { FanoutClient, InvalidationWatch } from "@kavach/client";
import type { Clock, InvalidationScope, RandomBytes, Revision } from "@kavach/model";
import type { FanoutLink, WatchHandlers } from "./feed.ts";

export interface FanoutLinkOptions {
  readonly endpoints: readonly string[];
  readonly nodeId: string;
  readonly clock: Clock;
  readonly random: RandomBytes;
  readonly leaseMs: number;
}

export interface NodeFanoutLink extends FanoutLink {
  invalidate(realm: string, scope: InvalidationScope, idempotencyKey: string, waitAll: boolean): Promise<Revision>;
  close(): Promise<void>;
}

/** What one question may take where nobody waits for all nodes, milliseconds. */
const ASK_MS = 1000;

export function openFanoutLink({ endpoints, nodeId, clock, random, leaseMs }: FanoutLinkOptions): NodeFanoutLink {
  const [only] = endpoints;
  const target = endpoints.length === 1 && only !== undefined ? only : endpoints;
  const client = new FanoutClient({ endpoints: target, clock });
  // A fan-out that does not answer must leave time to ask the log itself, within the same beat of the lease.
  const headMs = Math.min(ASK_MS, leaseMs / 10);
  const watches = new Set<InvalidationWatch>();
  return {
    head: (applied) => client.head({ watcherId: nodeId, applied }, { deadlineMs: headMs }),
    watch: (handlers) => {
      const { watch, state } = follow(client, random, handlers);
      watches.add(watch);
      return state;
    },
    invalidate: (realm, scope, idempotencyKey, waitAll) =>
      client.invalidate(
        { realm, scope, idempotencyKey, wait: waitAll ? "all" : "none" },
        { deadlineMs: waitAll ? leaseMs + ASK_MS : ASK_MS },
      ),
    close: async () => {
      await Promise.all([...watches].map((watch) => watch.stop()));
      client.close();
    },
  };
}

function follow(client: FanoutClient, random: RandomBytes, handlers: WatchHandlers) {
  const state = { connected: false };
  const alive = () => {
    state.connected = true;
  };
  const watch = new InvalidationWatch({
    client,
    random,
    listener: {
      onSnapshot: (snapshot) => {
        alive();
        handlers.onResync(snapshot);
      },
      onRecord: (record) => {
        alive();
        handlers.onRecord(record);
      },
      onHeartbeat: alive,
      onBreak: (error) => {
        state.connected = false;
        handlers.onBreak(error);
      },
    },
  });
  return { watch, state };
}
