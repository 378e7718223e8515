/** The store when Redis is missing, unfit, slow, gone and back: clear words at the start, refusals in time later, recovery by itself. */
import { UnavailableError } from "@kavach/model";
import type { AdmitRequest } from "@kavach/store";
import { awaitCondition, freePorts, type RedisServer, type RedisServerOptions, startRedis } from "@kavach/testkit";
import { Redis } from "ioredis";
import { afterEach, describe, expect, it } from "vitest";
import { RedisStore } from "./redis-store.ts";

const open: { stop?: () => Promise<void>; close?: () => Promise<void> }[] = [];
let evaluations = 0;

afterEach(async () => {
  for (const one of open.splice(0).reverse()) await (one.close?.() ?? one.stop?.());
});

async function server(options?: RedisServerOptions): Promise<RedisServer> {
  const started = await startRedis(options);
  open.push(started);
  return started;
}

async function storeOn(url: string): Promise<RedisStore> {
  const store = await RedisStore.fromUrl(url, { commandTimeoutMs: 100 });
  open.push({ close: () => store.close() });
  return store;
}

function limited(max: number): AdmitRequest {
  const evaluationId = new Uint8Array(16);
  evaluations += 1;
  new DataView(evaluationId.buffer).setUint32(0, evaluations);
  return {
    realm: "default",
    principalId: "alice",
    actionName: "refund",
    evaluationId,
    requestDigest: new Uint8Array(32),
    candidates: [{ effect: "permit", limits: [{ max, windowMs: 3_600_000, count: "admissions" }] }],
    countAttempt: false,
    memory: { issuedAtMs: 1, expiresAtMs: 2 },
    rememberMs: 30_000,
  };
}

/** How a call ended, and after how long. */
async function timed(call: Promise<unknown>): Promise<{ error: unknown; tookMs: number }> {
  const startMs = performance.now();
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return { error, tookMs: performance.now() - startMs };
}

describe("at the start", () => {
  it("says within the time given that no server answers, and where", async () => {
    const [port] = (await freePorts(1)) as [number];
    const { error, tookMs } = await timed(
      RedisStore.fromUrl(`redis://:secret@127.0.0.1:${port}`, { connectTimeoutMs: 300 }),
    );
    expect(error).toBeInstanceOf(UnavailableError);
    expect(String(error)).toContain(`cannot use Redis at 127.0.0.1:${port}`);
    expect(String(error)).not.toContain("secret");
    expect(tookMs).toBeLessThan(1000);
  });

  it("says so of a server that accepts and never answers", async () => {
    const redis = await server();
    redis.pause();
    const { error, tookMs } = await timed(RedisStore.fromUrl(redis.url, { connectTimeoutMs: 300 }));
    redis.resume();
    expect(error).toMatchObject({ name: "UnavailableError", code: "STORE_UNAVAILABLE" });
    expect(tookMs).toBeLessThan(1000);
  });

  it("waits for a server that is on its way", async () => {
    const redis = await server();
    await redis.kill();
    const store = RedisStore.fromUrl(redis.url);
    await redis.start();
    await expect((await store).ping()).resolves.toBeUndefined();
    await (await store).close();
  });

  it.each([
    "",
    "localhost:6379",
    "http://localhost",
    "redis://",
    "redis://localhost/zero",
    "redis://localhost/0?db=1",
    "redis://:secret@localhost:99999",
  ])("refuses the URL '%s' and does not repeat it", async (url) => {
    const { error } = await timed(RedisStore.fromUrl(url));
    expect(error).toMatchObject({ name: "RedisSetupError", code: "OPTION_INVALID" });
    expect(String(error)).not.toContain("secret");
  });

  it.each([{ commandTimeout: 5 }, { commandTimeoutMs: 0 }, { connectTimeoutMs: 1.5 }, { prefix: "a{b" }])(
    "refuses the options %o",
    async (options) => {
      await expect(RedisStore.fromUrl("redis://localhost", options as object)).rejects.toMatchObject({
        name: "RedisSetupError",
        code: "OPTION_INVALID",
      });
    },
  );
});

describe("at the start, of a server that is not fit", () => {
  it("refuses a server that may evict keys", async () => {
    const redis = await server({ args: ["--maxmemory-policy", "allkeys-lru"] });
    await expect(RedisStore.fromUrl(redis.url)).rejects.toThrow("maxmemory-policy is 'allkeys-lru'");
  });

  it("refuses a replica, a cluster node, and a wrong password at once", async () => {
    const primary = await server({ args: ["--requirepass", "right"] });
    const port = new URL(primary.url).port;
    const replica = await server({ args: ["--replicaof", "127.0.0.1", port, "--masterauth", "right"] });
    await expect(RedisStore.fromUrl(replica.url)).rejects.toThrow("is a slave: name the primary");
    const node = await server({ args: ["--cluster-enabled", "yes"] });
    await expect(RedisStore.fromUrl(node.url)).rejects.toThrow("Redis Cluster");
    const wrong = await timed(RedisStore.fromUrl(primary.url.replace("//", "//:wrong@")));
    expect(String(wrong.error)).toContain("WRONGPASS");
    expect(wrong.tookMs).toBeLessThan(2000);
    await storeOn(primary.url.replace("//", "//:right@"));
  });
});

describe("later", () => {
  it("ends every call by its deadline while the server is held still, and goes on by itself afterwards", async () => {
    const redis = await server();
    const store = await storeOn(redis.url);
    redis.pause();
    const calls = await Promise.all(Array.from({ length: 50 }, () => timed(store.admit(limited(5)))));
    for (const { error, tookMs } of calls) {
      expect(error).toMatchObject({ name: "UnavailableError", code: "STORE_UNAVAILABLE" });
      expect(tookMs).toBeLessThan(400);
    }
    redis.resume();
    await awaitCondition(() => store.ping().then(() => true), { what: "the store answers again", withinMs: 5000 });
    expect(await store.admit(limited(1000))).toMatchObject({ kind: "admitted", candidate: 0 });
  });

  it("drops a connection that stays silent, and connects again when there is somebody", async () => {
    const redis = await server();
    const store = await storeOn(redis.url);
    redis.pause();
    const refusal = () =>
      store.ping().then(
        () => undefined,
        (error: unknown) => String(error),
      );
    await awaitCondition(async () => (await refusal())?.includes("writeable"), { what: "the connection is given up" });
    redis.resume();
    await awaitCondition(() => store.ping().then(() => true), { what: "the store answers again", withinMs: 5000 });
  });

  it("fails at once while the server is gone, and goes on when it is back, with its scripts lost", async () => {
    const redis = await server({ appendOnly: "always" });
    const store = await storeOn(redis.url);
    const first = limited(2);
    await store.admit(first);
    await redis.kill();
    for (const { error, tookMs } of await Promise.all([1, 2, 3].map(() => timed(store.admit(limited(2)))))) {
      expect(error).toBeInstanceOf(UnavailableError);
      expect(tookMs).toBeLessThan(400);
    }
    await redis.start();
    await awaitCondition(() => store.ping().then(() => true), { what: "the store answers again", withinMs: 5000 });
    expect(await store.admit(first)).toMatchObject({ candidate: 0 });
    expect(await store.admit(limited(2))).toMatchObject({ candidate: 0 });
    expect(await store.admit(limited(2))).toMatchObject({ candidate: undefined });
  });

  it("refuses, and does not charge, when the server has no memory left", async () => {
    const redis = await server();
    const store = await storeOn(redis.url);
    const admin = new Redis(redis.url);
    open.push({ close: async () => admin.disconnect() });
    await admin.config("SET", "maxmemory", "1");
    await expect(store.admit(limited(1))).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
    await admin.config("SET", "maxmemory", "0");
    expect(await store.admit(limited(1))).toMatchObject({ candidate: 0 });
  });
});

describe("round trips", () => {
  it("is one command for a decision with session and limits, and a second one only where the scripts were lost", async () => {
    const redis = await server();
    const store = await storeOn(redis.url);
    const admin = new Redis(redis.url);
    open.push({ close: async () => admin.disconnect() });
    const calls = async () => {
      const info = await admin.info("commandstats");
      const count = (name: string) => Number(new RegExp(`cmdstat_${name}:calls=(\\d+)`).exec(info)?.[1] ?? 0);
      return { evalsha: count("evalsha"), eval: count("eval") };
    };
    const processed = async () => Number(/total_commands_processed:(\d+)/.exec(await admin.info("stats"))?.[1]);
    const session = {
      id: "s",
      mode: "open_on_first_use",
      origin: {},
      born: { generation: 1, number: 1 },
      lifetimeMs: 60_000,
    } as const;
    await store.admit({ ...limited(5), session });
    await admin.config("RESETSTAT");
    const sent = await monitored(admin, async () => {
      for (let i = 0; i < 10; i++) await store.admit({ ...limited(5), session });
    });
    expect(sent).toEqual(Array.from({ length: 10 }, () => "evalsha"));
    expect(await calls()).toEqual({ evalsha: 10, eval: 0 });
    await admin.script("FLUSH");
    expect(await store.admit(limited(500))).toMatchObject({ candidate: 0 });
    expect(await calls()).toEqual({ evalsha: 11, eval: 1 });
    expect(await processed()).toBeGreaterThan(0);
  });
});

/** The commands that clients sent meanwhile, without those of scripts. */
async function monitored(admin: Redis, work: () => Promise<void>): Promise<string[]> {
  const monitor = await admin.monitor();
  const sent: string[] = [];
  const ended = Promise.withResolvers<void>();
  monitor.on("monitor", (_time: string, args: string[], source: string) => {
    if (args[1] === "the end") ended.resolve();
    else if (source !== "lua") sent.push(String(args[0]).toLowerCase());
  });
  await work();
  await admin.echo("the end");
  await ended.promise;
  monitor.disconnect();
  return sent;
}
