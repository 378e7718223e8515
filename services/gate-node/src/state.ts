/** The state a node decides on: in the process, or shared through Redis and the fan-outs. Both look the same to the gate. */

import { EmbeddedView, type RevocationView, StoreClock } from "@kavach/gate";
import type { Clock, InvalidationScope, Revision } from "@kavach/model";
import type { Report } from "@kavach/service";
import { MemoryRevocationLog, MemoryStore, type Store } from "@kavach/store";
import { SYSTEM_RANDOM } from "@kavach/system";
import type { Config } from "./config.ts";
import { openFanoutLink } from "./fanout-link.ts";
import { Feed } from "./feed.ts";

export interface State {
  readonly store: Store;
  readonly revocations: RevocationView;
  /** Writes to the revocation log; `waitAll` returns only once every node that may still permit has applied it. */
  invalidate(realm: string, scope: InvalidationScope, idempotencyKey: string, waitAll: boolean): Promise<Revision>;
  /** The store's time on this machine. */
  readonly clock: Clock;
  close(): Promise<void>;
}

/** How long the store may take to answer at the start, milliseconds: with the rest of a start, a person waits five seconds at the most. */
const START_MS = 3500;

export async function openState(config: Config, nodeId: string, clock: Clock, report: Report): Promise<State> {
  return config.store === "memory"
    ? await openEmbedded(clock)
    : await openCluster(config, config.store, nodeId, clock, report);
}

async function openEmbedded(clock: Clock): Promise<State> {
  const store = new MemoryStore(clock);
  const log = new MemoryRevocationLog(clock);
  const revocations = await EmbeddedView.open(log, clock);
  return {
    store,
    revocations,
    // One process has nobody to wait for.
    invalidate: (realm, scope, key) => revocations.publish(realm, scope, key),
    clock,
    close: async () => {
      await store.close();
      await log.close();
    },
  };
}

async function openCluster(
  config: Config,
  storeUrl: string,
  nodeId: string,
  clock: Clock,
  report: Report,
): Promise<State> {
  // Loaded only where it is used: an embedded gate needs no client of Redis.
  const { RedisRevocationLog, RedisStore } = await import("@kavach/store-redis");
  const store = await RedisStore.fromUrl(storeUrl, {
    commandTimeoutMs: config.store_timeout_ms,
    connectTimeoutMs: START_MS,
  });
  const log = await RedisRevocationLog.fromUrl(config.log ?? storeUrl, { connectTimeoutMs: START_MS });
  const fanout = openFanoutLink({
    endpoints: config.fanout,
    nodeId,
    clock,
    random: SYSTEM_RANDOM,
    leaseMs: config.lease_ms,
  });
  const storeClock = new StoreClock(clock);
  const feed = new Feed({ fanout, log, clock, storeClock, leaseMs: config.lease_ms, report });
  await feed.start();
  return {
    store,
    revocations: feed,
    invalidate: (realm, scope, key, waitAll) => fanout.invalidate(realm, scope, key, waitAll),
    clock: storeClock,
    close: async () => {
      feed.close();
      await fanout.close();
      await log.close();
      await store.close();
    },
  };
}
