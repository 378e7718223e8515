/**
 * Measures a limited decision on Redis in this process, beside the least script that keeps a sliding window, and prints the figures as
 * JSON: a process of its own, so that it can be pinned to a core. Argument: URL of a server that nobody else uses.
 */
import { sha256 } from "@kavach/crypto";
import type { AdmitRequest } from "@kavach/store";
import { RedisStore } from "@kavach/store-redis";
import { Redis } from "ioredis";
import type { StoreFigures, StoreRates } from "./store.ts";

const OUTSTANDING = 64;
const PRINCIPALS = 1000;
const ROUNDS = 5;
const ROUND_MS = 1200;
/** Never reached: a refusal would be a cheaper call. */
const MAX = 127;
const WINDOW_MS = 500;
/** Shorter than a round, so that a round pays for forgetting too. */
const REMEMBER_MS = 400;

/** The log of a sliding window as tutorials have it, on the server's clock: no retries, no session, no second limit. */
const WINDOW_SCRIPT = `
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[1] * 1000)
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) then return 0 end
redis.call('ZADD', KEYS[1], now, ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1`;

const url = process.argv[2] as string;
const { hostname: host, port } = new URL(url);
/** As the store's own connection is made. */
const redis = new Redis({
  host,
  port: Number(port),
  socketTimeout: 10_000,
  enableOfflineQueue: false,
  maxRetriesPerRequest: 0,
  autoResendUnfulfilledCommands: false,
  autoResubscribe: false,
  disableClientInfo: true,
  lazyConnect: true,
});
await redis.connect();
const store = await RedisStore.fromUrl(url, { commandTimeoutMs: 5000 });

const digest = sha256(new Uint8Array([1]));
const digestText = Buffer.from(digest).toString("base64url");
let evaluations = 0;

function freshId(): Uint8Array {
  const id = new Uint8Array(16);
  evaluations += 1;
  new DataView(id.buffer).setUint32(12, evaluations);
  return id;
}

function principal(): string {
  return `agent-${evaluations % PRINCIPALS}`;
}

/** The same with what the contract asks of a retry: an evaluation id that is remembered, so that it is charged once. */
const ONCE_SCRIPT = WINDOW_SCRIPT.replace(
  "redis.call('ZADD'",
  "if not redis.call('SET', KEYS[2], ARGV[4], 'NX', 'PX', ARGV[5]) then return 2 end\nredis.call('ZADD'",
);

const sha = String(await redis.script("LOAD", WINDOW_SCRIPT));
const onceSha = String(await redis.script("LOAD", ONCE_SCRIPT));

async function rawWindowOnce(): Promise<boolean> {
  writeTogether();
  const member = Buffer.from(freshId().buffer).toString("hex");
  const who = `raw:{${principal()}}`;
  const keys = [`${who}:refund`, `${who}:${member}`];
  return (await redis.evalsha(onceSha, 2, ...keys, WINDOW_MS, MAX, member, digestText, REMEMBER_MS)) === 1;
}

/** The store's connection writes what one turn of the event loop sends in one piece; the same for a client that is used as it comes. */
/** As the store's own connection does it. */
const HELD_MAX = 12;
let held = 0;

function writeTogether(): void {
  const { stream } = redis;
  if (stream.writableCorked === 0) {
    stream.cork();
    process.nextTick(() => stream.uncork());
    held = 0;
  } else if (held === HELD_MAX) {
    stream.uncork();
    stream.cork();
    held = 0;
  }
  held += 1;
}

async function rawWindowTogether(): Promise<boolean> {
  writeTogether();
  return await rawWindow();
}

async function rawWindow(): Promise<boolean> {
  const member = Buffer.from(freshId().buffer).toString("hex");
  return (await redis.evalsha(sha, 1, `raw:{${principal()}}:refund`, WINDOW_MS, MAX, member)) === 1;
}

/** With `limits` limits of one candidate, and a session record or none. */
function admission(limits: number, session: boolean): () => Promise<boolean> {
  const candidates: AdmitRequest["candidates"] = [
    {
      effect: "permit",
      limits: Array.from({ length: limits }, (_, i) => ({
        max: MAX + i,
        windowMs: WINDOW_MS - i,
        count: "admissions" as const,
      })),
    },
  ];
  const actionName = `refund-${limits}-${session}`;
  return async () => {
    const now = 1_800_000_000_000;
    const result = await store.admit({
      realm: "default",
      principalId: principal(),
      actionName,
      evaluationId: freshId(),
      requestDigest: digest,
      candidates,
      countAttempt: false,
      retainMs: WINDOW_MS,
      largeWindowsMs: [],
      memory: { issuedAtMs: now, expiresAtMs: now + REMEMBER_MS },
      rememberMs: REMEMBER_MS,
      ...(session && {
        session: {
          id: "s",
          mode: "open_on_first_use",
          origin: { ip: "192.0.2.1" },
          born: { generation: 1, number: 1 },
          lifetimeMs: 86_400_000,
        },
      }),
    });
    return result.kind === "admitted" && result.candidate === 0;
  };
}

async function commandUs(): Promise<{ calls: number; us: number }> {
  const line = /cmdstat_evalsha:calls=(\d+),usec=(\d+)/.exec(await redis.info("commandstats"));
  return { calls: Number(line?.[1] ?? 0), us: Number(line?.[2] ?? 0) };
}

/** CPU of the server's process, microseconds. */
async function serverCpuUs(): Promise<number> {
  const info = await redis.info("cpu");
  const seconds = (name: string) => Number(new RegExp(`^${name}:([\\d.]+)`, "m").exec(info)?.[1]);
  return (seconds("used_cpu_sys") + seconds("used_cpu_user")) * 1e6;
}

async function round(ask: () => Promise<boolean>): Promise<StoreFigures> {
  await redis.flushall();
  const before = await commandUs();
  const serverUs = await serverCpuUs();
  const cpu = process.cpuUsage();
  const startMs = performance.now();
  const endMs = startMs + ROUND_MS;
  let calls = 0;
  const worker = async () => {
    while (performance.now() < endMs) {
      if (!(await ask())) throw new Error("a call was not let through");
      calls += 1;
    }
  };
  await Promise.all(Array.from({ length: OUTSTANDING }, worker));
  const seconds = (performance.now() - startMs) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  const usedUs = (await serverCpuUs()) - serverUs;
  const after = await commandUs();
  return {
    callsPerSecond: calls / seconds,
    scriptUs: (after.us - before.us) / (after.calls - before.calls),
    scriptCallsPerCall: (after.calls - before.calls) / calls,
    serverCpuUs: usedUs / calls,
    clientCpuUs: (user + system) / calls,
  };
}

const contestants: Record<keyof StoreRates, () => Promise<boolean>> = {
  rawWindow,
  rawWindowTogether,
  rawWindowOnce,
  limited: admission(1, false),
  twoLimits: admission(2, false),
  limitedInSession: admission(1, true),
};

const figures = new Map<string, StoreFigures[]>();
for (let i = 0; i <= ROUNDS; i++) {
  for (const [name, ask] of Object.entries(contestants)) {
    const found = await round(ask);
    // The first round warms up.
    if (i > 0) figures.set(name, [...(figures.get(name) ?? []), found]);
  }
}

function median(all: readonly StoreFigures[]): StoreFigures {
  const of = (field: keyof StoreFigures) =>
    all.map((one) => one[field]).toSorted((a, b) => a - b)[all.length >> 1] ?? 0;
  return {
    callsPerSecond: of("callsPerSecond"),
    scriptUs: of("scriptUs"),
    scriptCallsPerCall: of("scriptCallsPerCall"),
    serverCpuUs: of("serverCpuUs"),
    clientCpuUs: of("clientCpuUs"),
  };
}

process.stdout.write(JSON.stringify(Object.fromEntries([...figures].map(([name, all]) => [name, median(all)]))));
redis.disconnect();
await store.close();
