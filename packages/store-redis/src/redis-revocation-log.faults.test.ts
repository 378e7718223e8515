/** The log over restarts, losses and other processes: what was acknowledged stands, and what was lost shows. */
import { type InvalidationScope, type Revision, RevocationIndex, ZERO_REVISION } from "@kavach/model";
import { awaitCondition, type RedisServer, type RedisServerOptions, startRedis } from "@kavach/testkit";
import { Redis } from "ioredis";
import { afterEach, describe, expect, it } from "vitest";
import { RedisRevocationLog, type RedisRevocationLogOptions } from "./redis-revocation-log.ts";

const open: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

async function server(options: RedisServerOptions = { appendOnly: "always" }): Promise<RedisServer> {
  const started = await startRedis(options);
  open.push(() => started.stop());
  return started;
}

async function logOn(url: string, options: RedisRevocationLogOptions = {}): Promise<RedisRevocationLog> {
  const log = await RedisRevocationLog.fromUrl(url, options);
  open.push(() => log.close());
  return log;
}

const leaver: InvalidationScope = { target: { kind: "principal", id: "p" }, reason: "left", evaluator: "admin" };

async function revoke(log: RedisRevocationLog, idempotencyKey = ""): Promise<Revision> {
  return await log.append({ realm: "default", scope: leaver, idempotencyKey });
}

async function indexOf(log: RedisRevocationLog): Promise<RevocationIndex> {
  const read = await log.read(undefined, 10);
  const index = new RevocationIndex((size) => new Uint8Array(size));
  if (read.kind === "resync") index.merge(read.snapshot);
  return index;
}

/** The log's answer once the server answers again: the code of the LogError, or "open". */
async function stateOf(log: RedisRevocationLog): Promise<string> {
  return await awaitCondition(
    async () => {
      const state = await log.head().then(
        () => "open",
        (error: { code: string }) => error.code,
      );
      return state === "LOG_UNAVAILABLE" ? undefined : state;
    },
    { what: "the log answers again", withinMs: 5000 },
  );
}

const session = (born: Revision) => ({ realm: "default", principalId: "q", roles: [], session: { id: "s", born } });

describe("a restart", () => {
  it("shows, and a durable log is carried over at no cost when nobody knows more", async () => {
    const redis = await server();
    const log = await logOn(redis.url);
    await log.open(ZERO_REVISION);
    const revision = await revoke(log, "key");
    await redis.restart();
    expect(await stateOf(log)).toBe("OTHER_INCARNATION");
    await expect(revoke(log)).rejects.toMatchObject({ code: "OTHER_INCARNATION" });
    await expect(log.read(revision, 10)).rejects.toMatchObject({ code: "OTHER_INCARNATION" });
    const { head, outcome } = await log.open(revision);
    expect(outcome).toBe("carried");
    expect(head.generation).toBeGreaterThan(revision.generation);
    const index = await indexOf(log);
    expect(index.isRevoked({ realm: "default", principalId: "p", roles: [] })).toBe(true);
    expect(index.isRevoked(session(revision))).toBe(false);
    expect(await revoke(log, "key")).toEqual(revision);
    expect((await log.read(revision, 10)).kind).toBe("resync");
  });

  it("voids all logins where somebody knows a later revision, though another carried the log over before", async () => {
    const redis = await server();
    const log = await logOn(redis.url);
    await log.open(ZERO_REVISION);
    const revision = await revoke(log);
    await redis.restart();
    await stateOf(log);
    expect((await log.open(revision)).outcome).toBe("carried");
    const lost = { ...revision, number: revision.number + 1 };
    await expect(log.read(lost, 10)).rejects.toMatchObject({ code: "OTHER_INCARNATION" });
    const { head, outcome } = await log.open(lost);
    expect(outcome).toBe("void");
    const index = await indexOf(log);
    expect(index.isRevoked(session(lost))).toBe(true);
    expect(index.isRevoked(session(head))).toBe(false);
    expect(index.isRevoked({ realm: "default", principalId: "p", roles: [] })).toBe(true);
  });

  it("voids all logins where the log is not durable", async () => {
    const redis = await server({ appendOnly: "everysec" });
    const log = await logOn(redis.url, { durable: false });
    await log.open(ZERO_REVISION);
    const revision = await revoke(log);
    await redis.restart();
    await stateOf(log);
    expect((await log.open(revision)).outcome).toBe("void");
    expect((await indexOf(log)).isRevoked(session(revision))).toBe(true);
  });

  it("does so where a durable server has become one that is not", async () => {
    const redis = await server();
    const log = await logOn(redis.url);
    await log.open(ZERO_REVISION);
    const revision = await revoke(log);
    await redis.restart();
    await stateOf(log);
    const admin = new Redis(redis.url);
    open.push(async () => admin.disconnect());
    await admin.config("SET", "appendfsync", "everysec");
    expect((await log.open(revision)).outcome).toBe("void");
  });
});

describe("an emptied server", () => {
  it("shows as a log without a head, and whoever knows of the old one voids it", async () => {
    const redis = await server();
    const log = await logOn(redis.url);
    await log.open(ZERO_REVISION);
    const revision = await revoke(log);
    const admin = new Redis(redis.url);
    open.push(async () => admin.disconnect());
    await admin.flushall();
    expect(await stateOf(log)).toBe("NOT_OPEN");
    await expect(revoke(log)).rejects.toMatchObject({ code: "NOT_OPEN" });
    expect((await log.open(revision)).outcome).toBe("void");
    expect((await indexOf(log)).isRevoked(session(revision))).toBe(true);
  });
});

describe("two processes", () => {
  it("write in the generation that each has opened, and in no other", async () => {
    const redis = await server();
    const [one, two] = [await logOn(redis.url), await logOn(redis.url)];
    const { head } = await one.open(ZERO_REVISION);
    await expect(revoke(two)).rejects.toMatchObject({ code: "NOT_OPEN" });
    expect(await two.open(ZERO_REVISION)).toEqual({ head, outcome: "unchanged" });
    await revoke(two);
    expect((await two.open({ ...head, number: 99 })).outcome).toBe("void");
    await expect(revoke(one)).rejects.toMatchObject({ code: "OTHER_INCARNATION" });
    const again = await one.open(head);
    expect(again.outcome).toBe("unchanged");
    expect((await revoke(one)).generation).toBe(again.head.generation);
  });
});

describe("the bell", () => {
  it("rings again after its connection was lost", async () => {
    const redis = await server();
    const log = await logOn(redis.url);
    await log.open(ZERO_REVISION);
    let rings = 0;
    log.watch(() => {
      rings += 1;
    });
    await awaitCondition(() => rings > 0, { what: "it is heard at first" });
    await redis.restart();
    await stateOf(log);
    await log.open(ZERO_REVISION);
    const before = rings;
    await awaitCondition(() => rings > before, { what: "the new connection rings once" });
    const admin = new Redis(redis.url);
    open.push(async () => admin.disconnect());
    await awaitCondition(async () => Number((await admin.pubsub("NUMSUB", "kavach:{log}:bell"))[1]) === 1, {
      what: "it listens",
    });
    const heard = rings;
    await revoke(log);
    await awaitCondition(() => rings > heard, { what: "an append is heard", withinMs: 2000 });
  });
});

describe("at the start", () => {
  it("refuses a server that is not durable, unless that was asked for", async () => {
    const redis = await server({ appendOnly: "everysec" });
    await expect(RedisRevocationLog.fromUrl(redis.url)).rejects.toThrow("appendfsync always");
    await logOn(redis.url, { durable: false });
  });

  it("refuses Redis Cluster, a replica, eviction and unknown options", async () => {
    const cluster = await server({ args: ["--cluster-enabled", "yes"] });
    await expect(RedisRevocationLog.fromUrl(cluster.url)).rejects.toThrow("Redis Cluster");
    const replica = await server({ args: ["--replicaof", "127.0.0.1", new URL(cluster.url).port] });
    await expect(RedisRevocationLog.fromUrl(replica.url)).rejects.toThrow("name the primary");
    const evicting = await server({ args: ["--maxmemory-policy", "volatile-ttl"] });
    await expect(RedisRevocationLog.fromUrl(evicting.url)).rejects.toThrow("noeviction");
    await expect(RedisRevocationLog.fromUrl(evicting.url, { durabel: true } as object)).rejects.toThrow("durabel");
  });

  it("ends every call by its deadline while the server is held still", async () => {
    const redis = await server();
    const log = await logOn(redis.url, { commandTimeoutMs: 100 });
    await log.open(ZERO_REVISION);
    redis.pause();
    const startMs = performance.now();
    await expect(log.head()).rejects.toMatchObject({ name: "UnavailableError", code: "LOG_UNAVAILABLE" });
    await expect(revoke(log)).rejects.toMatchObject({ code: "LOG_UNAVAILABLE" });
    expect(performance.now() - startMs).toBeLessThan(1000);
    redis.resume();
    expect(await stateOf(log)).toBe("open");
  });
});
