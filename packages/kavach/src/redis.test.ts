/** Embedded gates of several processes over one Redis: limits, sessions and invalidations that all of them share. */
import { awaitCondition, freePorts, type RedisServer, startRedis } from "@kavach/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Gate, type GateOptions, type InvalidationScope, spawnInvalidationListener } from "./index.ts";
import { RedisInvalidationBroadcaster, RedisRateLimitStore, RedisSessionStore, RedisStore } from "./redis.ts";

const POLICY = {
  policies: [
    { name: "few", effect: "permit", conditions: [{ action: "export" }, { rate_limit: { max: 5, window: "1h" } }] },
    { name: "any", effect: "permit", conditions: [{ action: "fetch_report" }] },
  ],
};
const OPTIONS = { commandTimeoutMs: 5000 };

let server: RedisServer;
const closers: (() => Promise<void>)[] = [];
beforeAll(async () => {
  server = await startRedis();
});
afterAll(async () => {
  for (const close of closers) await close();
  await server.stop();
});

function opened<T extends { close(): Promise<void> }>(it: T): T {
  closers.push(() => it.close());
  return it;
}

const gateOf = (options: GateOptions) => opened(Gate.fromObject(POLICY, { onError: () => undefined, ...options }));
const report = { principalId: "alice", principalKind: "user", actionName: "fetch_report" } as const;

describe("shared through Redis", () => {
  it.each<[string, (prefix: string) => Promise<GateOptions>]>([
    [
      "rateStore",
      async (prefix) => ({ rateStore: opened(await RedisRateLimitStore.fromUrl(server.url, { ...OPTIONS, prefix })) }),
    ],
    ["store", async (prefix) => ({ store: opened(await RedisStore.fromUrl(server.url, { ...OPTIONS, prefix })) })],
  ])("%s: of calls that race over two gates, as many pass as the limit has places", async (name, options) => {
    const gates = [gateOf(await options(name)), gateOf(await options(name))];
    const calls = Array.from({ length: 20 }, (_, n) => gates[n % 2]?.evaluate({ ...report, actionName: "export" }));
    const kinds = (await Promise.all(calls)).map((verdict) => (verdict?.isRefuse ? verdict.code : verdict?.kind));
    expect(kinds.filter((kind) => kind === "permit")).toHaveLength(5);
    expect(kinds.filter((kind) => kind === "RATE_LIMIT_EXCEEDED")).toHaveLength(15);
  });

  it("sessionStore, beside rateStore on the same server: a session opened at one gate is known at the other", async () => {
    const options = async () => ({
      rateStore: opened(await RedisRateLimitStore.fromUrl(server.url, { ...OPTIONS, prefix: "both" })),
      sessionStore: opened(await RedisSessionStore.fromUrl(server.url, { ...OPTIONS, prefix: "both" })),
    });
    const [one, two] = [gateOf(await options()), gateOf(await options())] as const;
    const session = { ...report, actionName: "export", sessionId: "s-1" };
    expect((await one.evaluate({ ...session, ip: "10.0.0.1" })).kind).toBe("permit");
    expect(await two.evaluate({ ...session, ip: "10.0.0.2", originIp: "10.0.0.2" })).toMatchObject({
      kind: "invalidate",
      reason: "IP changed mid-session: 10.0.0.1 → 10.0.0.2",
    });
  });

  it("broadcaster: what one gate invalidates the other refuses, and a listener hears of", async () => {
    const open = async () =>
      opened(await RedisInvalidationBroadcaster.fromUrl(server.url, { ...OPTIONS, channel: "told" }));
    const [first, second] = [await open(), await open()];
    const [one, two] = [gateOf({ broadcaster: first }), gateOf({ broadcaster: second })];
    const told: InvalidationScope[] = [];
    using _listening = spawnInvalidationListener(second, (scope) => told.push(scope), { pollMs: 50 });
    expect((await two.evaluate({ ...report, sessionId: "s-1" })).kind).toBe("permit");
    const moved = { ...report, sessionId: "s-1", originIp: "10.0.0.1", ip: "10.0.0.2" };
    expect(await one.evaluate(moved)).toMatchObject({ kind: "invalidate", propagation: "PUBLISHED" });
    const ofTwo = async () => await two.evaluate({ ...report, sessionId: "s-1" });
    await awaitCondition(async () => (await ofTwo()).isRefuse, { what: "the other gate knows" });
    expect(await ofTwo()).toMatchObject({ code: "SESSION_INVALID", reason: "session has been invalidated" });
    await awaitCondition(() => told.length > 0, { what: "the listener was told" });
    expect(told).toMatchObject([{ target: { kind: "session", id: "s-1" }, evaluator: "drift" }]);
    await first.publish({ target: { kind: "principal", id: "bob" }, reason: "left", evaluator: "admin" });
    await awaitCondition(async () => (await two.evaluate({ ...report, principalId: "bob" })).isRefuse, { what: "bob" });
  });
});

it.each<[string, (url: string) => Promise<unknown>]>([
  ["RedisRateLimitStore", (url) => RedisRateLimitStore.fromUrl(url)],
  ["RedisSessionStore", (url) => RedisSessionStore.fromUrl(url)],
  ["RedisInvalidationBroadcaster", (url) => RedisInvalidationBroadcaster.fromUrl(url)],
])("%s says within five seconds that a URL is wrong, or that nobody answers", async (_name, make) => {
  await expect(make("http://127.0.0.1")).rejects.toMatchObject({ name: "RedisSetupError", code: "OPTION_INVALID" });
  const [port] = await freePorts(1);
  const startMs = performance.now();
  await expect(make(`redis://127.0.0.1:${port}`)).rejects.toMatchObject({ name: "UnavailableError" });
  expect(performance.now() - startMs).toBeLessThan(6000);
});
