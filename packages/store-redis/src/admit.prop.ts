/** The scripts answer like the memory twin, for histories nobody thought of; and never let more than `max` into a window. */
import { type AdmitRequest, MemoryStore, type Store } from "@kavach/store";
import { type RedisServer, startRedis } from "@kavach/testkit";
import fc from "fast-check";
import { afterAll, beforeAll, expect, it } from "vitest";
import { RedisStore } from "./redis-store.ts";
import { VirtualTimeRunner } from "./virtual-time.test-kit.ts";

let server: RedisServer;
let runs = 0;

beforeAll(async () => {
  server = await startRedis();
});
afterAll(async () => {
  await server.stop();
});

/** Ahead of the server's clock, so that keys expire by the scripts' own word alone. */
const START_MS = Date.now() + 300 * 24 * 3_600_000;

/** Two limits for a whole history, so that its calls meet at the same counters. */
const palette = fc.tuple(limitOf(), limitOf());

function limitOf() {
  return fc.record({
    max: fc.constantFrom(1, 3, 40, 128, 129, 140, 150),
    windowMs: fc.constantFrom(1000, 1001, 60_000, 61_111, 2_592_000_000),
    count: fc.constantFrom("admissions" as const, "admissions" as const, "attempts" as const),
  });
}

/** Where the clock steps back, nothing ends: what had ended before the step may be kept or gone, and either is right. */
const FOREVER_MS = 100 * 365 * 24 * 3_600_000;

const START_BOUNDS = { min: START_MS - 1000, max: START_MS + 100_000 };
const candidate = fc.record({
  effect: fc.constantFrom(...Array.from({ length: 9 }, () => "permit" as const), "refuse" as const),
  /** Which of the palette's limits it carries. */
  picks: fc.constantFrom([0], [0], [1], [1], [0, 1], []),
  oldestSessionStartMs: rarely(fc.integer(START_BOUNDS)),
});

function rarely<T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> {
  return fc.oneof({ weight: 4, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary });
}

const session = fc.record({
  id: fc.constantFrom("s", "t"),
  mode: fc.constantFrom("required" as const, "open_on_first_use" as const),
  lifetimeMs: fc.constantFrom(500, 100_000),
});
const admission = fc.record({
  kind: fc.constant("admit" as const),
  times: fc.constantFrom(1, 2, 45, 160),
  /** Between two of them. */
  everyMs: fc.constantFrom(0, 0.007, 3.301),
  id: rarely(fc.integer({ min: 0, max: 3 })),
  digest: fc.constantFrom(0, 0, 0, 1),
  candidates: fc.array(candidate, { minLength: 1, maxLength: 2 }),
  countAttempt: fc.boolean(),
  announced: fc.boolean(),
  session: rarely(session),
  rememberMs: fc.constantFrom(1, 32_000),
});
const passing = fc.record({
  kind: fc.constant("pass" as const),
  ms: fc.constantFrom(
    0.001,
    0.5,
    15.625,
    15.7,
    500,
    937.5,
    984.375,
    999.999,
    1000,
    30_000,
    60_000,
    -0.5,
    -700,
    -40_000,
  ),
});
const other = fc.record({
  kind: fc.constantFrom("open" as const, "close" as const, "get" as const, "redeem" as const),
  id: fc.constantFrom("s", "t"),
});
const step = fc.oneof(
  { weight: 6, arbitrary: admission },
  { weight: 5, arbitrary: passing },
  { weight: 1, arbitrary: other },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;
type Palette = typeof palette extends fc.Arbitrary<infer T> ? T : never;

let fresh = 0;

function requestOf(asked: Extract<Step, { kind: "admit" }>, limits: Palette, back: boolean): AdmitRequest {
  const evaluationId = new Uint8Array(16);
  fresh += 1;
  new DataView(evaluationId.buffer).setUint32(0, asked.id ?? 1000 + fresh);
  const session = asked.session && {
    ...asked.session,
    ...(back && { lifetimeMs: FOREVER_MS }),
    origin: { ip: "192.0.2.1" },
    born: { generation: 1, number: 2 },
  };
  return {
    realm: "r",
    principalId: "p",
    actionName: "a",
    evaluationId,
    requestDigest: new Uint8Array(32).fill(asked.digest),
    candidates: asked.candidates.map(({ effect, picks, oldestSessionStartMs: oldest }) => ({
      effect,
      limits: effect === "refuse" ? [] : picks.map((pick) => limits[pick] as Palette[number]),
      ...(oldest !== undefined && { oldestSessionStartMs: oldest }),
    })),
    countAttempt: asked.countAttempt,
    memory: { issuedAtMs: fresh, expiresAtMs: fresh + 1 },
    rememberMs: back ? FOREVER_MS : asked.rememberMs,
    // As long as no log ends while the history lasts.
    retainMs: 2_592_000_000,
    ...(asked.announced && { largeWindowsMs: limits.map((limit) => limit.windowMs) }),
    ...(session !== undefined && { session }),
  };
}

async function perform(
  store: Store,
  asked: Exclude<Step, { kind: "admit" | "pass" }>,
  back: boolean,
): Promise<unknown> {
  switch (asked.kind) {
    case "open":
      return await store
        .openSession({
          realm: "r",
          principal: { id: "p", kind: "user", roles: ["x"] },
          origin: {},
          born: { generation: 1, number: 1 },
          lifetimeMs: back ? FOREVER_MS : 50_000,
          id: asked.id,
        })
        .catch((error: Error) => error.message);
    case "close":
      return await store.closeSession("r", "p", asked.id);
    case "get":
      return [
        await store.getSession("r", "p", asked.id),
        (await store.listSessions("r", "p")).map((one) => one.id).sort(),
      ];
    case "redeem":
      return await store.redeem({
        realm: "r",
        principalId: "p",
        tokenId: new Uint8Array(16).fill(asked.id.length),
        expiresAtMs: START_MS + (back ? FOREVER_MS : 3000),
      });
  }
}

it("answers every history like the twin", { timeout: 120_000 }, async () => {
  const property = fc.asyncProperty(
    palette,
    fc.boolean(),
    fc.array(step, { minLength: 8, maxLength: 30, size: "max" }),
    async (limits, back, steps) => {
      const time = new VirtualTimeRunner(server.url, START_MS);
      runs += 1;
      const redis = new RedisStore(time, `run${runs}`);
      const twin = new MemoryStore({ nowMs: () => time.nowMs, monotonicMs: () => 0 });
      try {
        for (const asked of steps) {
          if (asked.kind === "pass") time.nowMs += back ? asked.ms : Math.abs(asked.ms);
          else if (asked.kind !== "admit")
            expect(await perform(redis, asked, back)).toEqual(await perform(twin, asked, back));
          else {
            for (let i = 0; i < asked.times; i++) {
              time.nowMs += asked.everyMs;
              const request = requestOf(asked, limits, back);
              expect(await redis.admit(request)).toEqual(await twin.admit(request));
            }
          }
        }
      } finally {
        await redis.close();
      }
    },
  );
  await fc.assert(property, seeded(60));
});

/** The seed is printed, and `KAVACH_PROPERTY_SEED` replays a run. */
function seeded(numRuns: number): fc.Parameters<unknown> {
  const seed = Number(process.env.KAVACH_PROPERTY_SEED ?? Date.now() % 2 ** 31);
  console.log(
    `seed ${seed}: replay with KAVACH_PROPERTY_SEED=${seed} npx vitest run packages/store-redis/src/admit.prop.ts`,
  );
  return { seed, numRuns };
}
