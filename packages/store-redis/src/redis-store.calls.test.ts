/** What a decision asks of the server: how many calls, commands and reads, and how much of its memory. */
import type { AdmitRequest } from "@kavach/store";
import { type RedisServer, startRedis } from "@kavach/testkit";
import { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { RedisStore } from "./redis-store.ts";

let server: RedisServer;
let store: RedisStore;
let redis: Redis;
let evaluations = 0;

beforeAll(async () => {
  server = await startRedis();
});
afterAll(async () => {
  await server.stop();
});
beforeEach(async () => {
  redis = new Redis(server.url);
  await redis.flushall();
  store = await RedisStore.fromUrl(server.url, { commandTimeoutMs: 5000 });
});
afterEach(async () => {
  redis.disconnect();
  await store.close();
});

function limited(max: number, more: Partial<AdmitRequest> = {}): AdmitRequest {
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
    ...more,
  };
}

/** How often each command ran while `work` did. */
async function commandsOf(work: () => Promise<unknown>): Promise<Map<string, number>> {
  await redis.config("RESETSTAT");
  await work();
  const stats = await redis.info("commandstats");
  const counts = [...stats.matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm)].map(
    ([, name = "", calls]) => [name, Number(calls)] as const,
  );
  return new Map(counts.filter(([name]) => !name.startsWith("config") && name !== "info"));
}

describe("a limited decision", () => {
  it("is one call, and four commands in it", async () => {
    await store.admit(limited(5));
    const commands = await commandsOf(() => store.admit(limited(5)));
    expect([...commands].sort()).toEqual([
      ["append", 1],
      ["evalsha", 1],
      ["getrange", 1],
      ["set", 1],
      ["time", 1],
    ]);
  });

  it("is one call where it is refused, retried, counted in parts, or in a session of the store", async () => {
    const session = {
      id: "s",
      mode: "open_on_first_use",
      origin: {},
      born: { generation: 1, number: 1 },
      lifetimeMs: 60_000,
    } as const;
    const retried = limited(1);
    for (const request of [retried, retried, limited(1), limited(1000), limited(9, { session, countAttempt: true })]) {
      expect((await commandsOf(() => store.admit(request))).get("evalsha")).toBe(1);
    }
  });

  it("reaches the server together with others that the same turn sends", async () => {
    const readsOf = async () => Number(/total_reads_processed:(\d+)/.exec(await redis.info("stats"))?.[1]);
    const before = await readsOf();
    await Promise.all(Array.from({ length: 40 }, () => store.admit(limited(128))));
    // A read for every dozen, a few more where they do not come in one segment, and those that ask for the figure.
    expect((await readsOf()) - before).toBeLessThanOrEqual(10);
  });

  it("keeps a bounded log, and every key with an end", async () => {
    for (let i = 0; i < 10; i++) await Promise.all(Array.from({ length: 50 }, () => store.admit(limited(300 + i))));
    const keys = (await redis.keys("*")).filter((key) => !key.includes(":charge:"));
    expect(keys.map((key) => key.split("}:")[1]).sort()).toEqual(["admissions-buckets:refund", "admissions:refund"]);
    for (const key of await redis.keys("*")) expect(await redis.pttl(key)).toBeGreaterThan(0);
    const entries = keys.find((key) => key.endsWith(":admissions:refund")) as string;
    expect(await redis.strlen(entries)).toBeLessThanOrEqual(160 * 12);
    expect(await redis.strlen(entries)).toBeGreaterThanOrEqual(128 * 12);
    const places = async (max: number) => {
      const result = await store.admit(limited(max));
      return result.kind === "admitted" && result.candidate !== undefined;
    };
    expect([await places(128), await places(309), await places(310)]).toEqual([false, false, true]);
  });
});

it("tells a session's facts as they were, whatever they hold", async () => {
  const roles = ["a|b", "|", "c:1,2"];
  const principal = { id: "alice", kind: "user", roles } as const;
  const born = { generation: 1, number: 1 };
  const opened = await store.openSession({
    realm: "default",
    principal,
    origin: { ip: "192.0.2.1" },
    born,
    lifetimeMs: 60_000,
    id: "s|1",
  });
  const session = { id: "s|1", mode: "required", origin: {}, born, lifetimeMs: 60_000 } as const;
  const request = limited(1, { session });
  const first = await store.admit(request);
  expect(first).toMatchObject({ kind: "admitted", session: { ...opened, actionCount: 0 } });
  expect(await store.admit(request)).toMatchObject({ session: { ...opened, actionCount: 0 }, memory: request.memory });
  expect(await store.admit(limited(1, { session }))).toMatchObject({
    candidate: undefined,
    exceeded: [{ candidate: 0 }],
    session: { ...opened, actionCount: 1 },
  });
});
