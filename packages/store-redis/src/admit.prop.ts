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

/** Few values of each kind, so that histories meet themselves. */
const limits = fc.array(
  fc.record({
    max: fc.constantFrom(1, 2, 3, 127, 128, 129, 140),
    windowMs: fc.constantFrom(1, 1000, 60_000, 61_111, 3_600_000, 2_592_000_000),
    count: fc.constantFrom("admissions" as const, "attempts" as const),
  }),
  { maxLength: 3 },
);
const candidate = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      effect: fc.constant("permit" as const),
      limits,
      oldestSessionStartMs: fc.option(fc.integer({ min: START_MS, max: START_MS + 100_000 }), { nil: undefined }),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ effect: "refuse" as const, limits: [], oldestSessionStartMs: undefined }) },
);
const admission = fc.record({
  kind: fc.constant("admit" as const),
  times: fc.constantFrom(1, 1, 2, 50),
  id: fc.option(fc.integer({ min: 0, max: 5 }), { nil: undefined }),
  digest: fc.constantFrom(0, 0, 0, 1),
  candidates: fc.array(candidate, { maxLength: 3 }),
  countAttempt: fc.boolean(),
  session: fc.option(
    fc.record({
      id: fc.constantFrom("s", "t"),
      mode: fc.constantFrom("required" as const, "open_on_first_use" as const),
      lifetimeMs: fc.constantFrom(500, 100_000),
    }),
    { nil: undefined },
  ),
  rememberMs: fc.constantFrom(1, 32_000),
});
const step = fc.oneof(
  { weight: 6, arbitrary: admission },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("pass" as const),
      ms: fc.constantFrom(0.001, 0.5, 1, 15.625, 999.999, 1000, 937.5, 60_000, 3_600_000, -1, -5000),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constantFrom("open" as const, "close" as const, "get" as const, "redeem" as const),
      id: fc.constantFrom("s", "t"),
    }),
  },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

let fresh = 0;

function requestOf(asked: Extract<Step, { kind: "admit" }>): AdmitRequest {
  const evaluationId = new Uint8Array(16);
  fresh += 1;
  new DataView(evaluationId.buffer).setUint32(0, asked.id ?? 1000 + fresh);
  const session = asked.session && {
    ...asked.session,
    origin: { ip: "192.0.2.1" },
    born: { generation: 1, number: 2 },
  };
  return {
    realm: "r",
    principalId: "p",
    actionName: "a",
    evaluationId,
    requestDigest: new Uint8Array(32).fill(asked.digest),
    candidates: asked.candidates.map(({ oldestSessionStartMs, ...rest }) => ({
      ...rest,
      ...(oldestSessionStartMs !== undefined && { oldestSessionStartMs }),
    })),
    countAttempt: asked.countAttempt,
    memory: { issuedAtMs: fresh, expiresAtMs: fresh + 1 },
    rememberMs: asked.rememberMs,
    ...(session !== undefined && { session }),
  };
}

async function perform(store: Store, asked: Exclude<Step, { kind: "admit" | "pass" }>): Promise<unknown> {
  switch (asked.kind) {
    case "open":
      return await store
        .openSession({
          realm: "r",
          principal: { id: "p", kind: "user", roles: ["x"] },
          origin: {},
          born: { generation: 1, number: 1 },
          lifetimeMs: 50_000,
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
        expiresAtMs: START_MS + 3000,
      });
  }
}

it("answers every history like the twin", { timeout: 120_000 }, async () => {
  const property = fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 30 }), async (steps) => {
    const time = new VirtualTimeRunner(server.url, START_MS);
    runs += 1;
    const redis = new RedisStore(time, `run${runs}`);
    const twin = new MemoryStore({ nowMs: () => time.nowMs, monotonicMs: () => 0 });
    try {
      for (const asked of steps) {
        if (asked.kind === "pass") time.nowMs += asked.ms;
        else if (asked.kind !== "admit") expect(await perform(redis, asked)).toEqual(await perform(twin, asked));
        else {
          for (let i = 0; i < asked.times; i++) {
            const request = requestOf(asked);
            expect(await redis.admit(request)).toEqual(await twin.admit(request));
          }
        }
      }
    } finally {
      await redis.close();
    }
  });
  await fc.assert(property, seeded(150));
});

/** The seed is printed, and `KAVACH_SEED` replays a run. */
function seeded(numRuns: number): fc.Parameters<unknown> {
  const seed = Number(process.env.KAVACH_SEED ?? Date.now() % 2 ** 31);
  console.log(`seed ${seed}: replay with KAVACH_SEED=${seed} npx vitest run packages/store-redis/src/admit.prop.ts`);
  return { seed, numRuns };
}
