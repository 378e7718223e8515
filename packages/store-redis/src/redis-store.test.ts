/** The Redis store keeps the contract, on the server's own clock and on one that is moved by hand. */
import type { Store } from "@kavach/store";
import { storeContract } from "@kavach/store/contract";
import { awaitCondition, type RedisServer, startRedis } from "@kavach/testkit";
import { afterAll, beforeAll } from "vitest";
import { RedisStore } from "./redis-store.ts";
import { VirtualTimeRunner } from "./virtual-time.test-kit.ts";

let server: RedisServer;
let stores = 0;

beforeAll(async () => {
  server = await startRedis();
});
afterAll(async () => {
  await server.stop();
});

function freshPrefix(): string {
  stores += 1;
  return `test${stores}`;
}

async function serverNowMs(store: Store): Promise<number> {
  const session = await store.openSession({
    realm: "clock",
    principal: { id: "clock", kind: "service", roles: [] },
    origin: {},
    born: { generation: 0, number: 0 },
    lifetimeMs: 1,
    id: `tick ${performance.now()}`,
  });
  return session.startedAtMs;
}

storeContract("RedisStore on the server's clock", async () => {
  const store = await RedisStore.fromUrl(server.url, { prefix: freshPrefix(), commandTimeoutMs: 5000 });
  return {
    store,
    windowMs: 400,
    pass: async (ms) => {
      const untilMs = (await serverNowMs(store)) + ms;
      await awaitCondition(async () => (await serverNowMs(store)) >= untilMs, { what: "time passes", everyMs: 2 });
    },
    dispose: () => store.close(),
  };
});

storeContract("RedisStore on a clock that is moved", async () => {
  // Ahead of the server's clock, so that no key expires on it while the test runs.
  const time = new VirtualTimeRunner(server.url, Date.now() + 30 * 24 * 3_600_000 + 0.25);
  const store = new RedisStore(time, freshPrefix());
  return {
    store,
    windowMs: 3_600_000,
    pass: async (ms) => {
      time.nowMs += ms;
    },
    stepBack: (ms) => {
      time.nowMs -= ms;
    },
    dispose: () => store.close(),
  };
});
