/** What is written by hand for Evaluate is held to the contract: its check of a request, its reader of bytes and its writer. */
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { EvaluateRequestSchema, EvaluateResponseSchema } from "@kavach/api";
import { type Decision, type DecisionRequest, InputError, REFUSE_CODES, type SealedToken } from "@kavach/model";
import { validated } from "@kavach/serve";
import { readRequest, readRequestBytes, writeDecision, writeDecisionBytes } from "@kavach/wire";
import fc from "fast-check";
import { expect, it } from "vitest";

const NOW_MS = 1_800_000_000_000;
const world = {
  clock: { nowMs: () => NOW_MS, monotonicMs: () => 0 },
  drawUuid: () => "00000000-0000-4000-8000-000000000001",
};

/** Texts around every limit: empty, one byte over, several bytes a character, control characters. */
const text = (max: number) =>
  fc.oneof(
    { weight: 60, arbitrary: fc.string({ minLength: 1, maxLength: 20 }) },
    fc.constantFrom(
      "",
      "x".repeat(max),
      "x".repeat(max + 1),
      "é".repeat(max / 2),
      `${"é".repeat(max / 2)}x`,
      "bell\u0007",
      "\u0085",
      "__proto__",
    ),
  );
const ip = fc.oneof(
  fc.ipV4(),
  fc.ipV6(),
  fc.constantFrom("", "10.0.0.1", "::ffff:10.0.0.1", "10.0.0", "fe80::1%eth0", "::1/128", "010.0.0.1"),
);
const degrees = fc.oneof(
  { weight: 20, arbitrary: fc.double({ min: -91, max: 91, noNaN: true }) },
  fc.constantFrom(Number.NaN, 180, -180, 181, 90, -90),
);
const optional = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined, freq: 4 });
const device = fc.record({ hash: text(256), description: text(256) });
const geo = fc.record({
  countryCode: text(256),
  region: text(256),
  city: text(256),
  latitude: optional(degrees),
  longitude: optional(degrees),
});
const value = fc.oneof(
  fc
    .double({ noNaN: true, noDefaultInfinity: true })
    .map((n) => ({ kind: { case: "numberValue", value: n } }) as const),
  text(4096).map((s) => ({ kind: { case: "stringValue", value: s } }) as const),
  fc.boolean().map((b) => ({ kind: { case: "boolValue", value: b } }) as const),
  fc.constant({ kind: { case: "nullValue", value: 0 } } as const),
);
const request = fc.record({
  realm: text(256),
  evaluationId: fc.oneof(
    fc.uuid(),
    fc.constant(""),
    fc.string(),
    fc.uuid().map((id) => id.toUpperCase()),
  ),
  audience: fc.oneof(
    { weight: 30, arbitrary: fc.array(text(256), { maxLength: 3 }) },
    fc.constant(Array.from({ length: 17 }, () => "a")),
  ),
  context: optional(
    fc.record({
      principal: optional(
        fc.record({
          id: text(256),
          kind: fc.integer({ min: 0, max: 6 }),
          roles: fc.oneof(fc.array(text(256), { maxLength: 3 }), fc.constant(Array.from({ length: 65 }, () => "r"))),
        }),
      ),
      action: optional(
        fc.record({ name: text(256), resource: text(1024), params: fc.dictionary(text(256), value, { maxKeys: 4 }) }),
      ),
      session: optional(
        fc.record({
          sessionId: text(256),
          actionCount: fc.nat(),
          originIp: ip,
          originGeo: optional(geo),
          originDevice: optional(device),
        }),
      ),
      environment: optional(fc.record({ ip, geo: optional(geo), device: optional(device), userAgent: text(1024) })),
    }),
  ),
});

function accepts(check: () => unknown): boolean {
  try {
    check();
    return true;
  } catch (error) {
    if (error instanceof InputError) return false;
    throw error;
  }
}

it("refuses whatever the contract refuses", () => {
  let accepted = 0;
  fc.assert(
    fc.property(request, (init) => {
      const message = create(EvaluateRequestSchema, init as MessageInitShape<typeof EvaluateRequestSchema>);
      const byHand = accepts(() => readRequest(message, world));
      if (byHand) accepted += 1;
      if (byHand && !accepts(() => validated(EvaluateRequestSchema, message)))
        throw new Error("laxer than the contract");
    }),
    { numRuns: 5000 },
  );
  // A check that refuses everything would pass the property above.
  expect(accepted).toBeGreaterThan(100);
});

const instant = fc.record({
  seconds: fc.oneof(fc.bigInt(0n, 4_000_000_000n), fc.constantFrom(-1n, 253_402_300_799n, 253_402_300_800n)),
  nanos: fc.oneof(fc.nat(999_999_999), fc.constantFrom(-1, 1_000_000_000)),
});
/** As callers write it: most of these are read from their bytes. */
const plainText = fc.stringMatching(/^[ -~]{1,12}$/);
const plainGeo = fc.record({
  countryCode: plainText,
  city: fc.oneof(plainText, fc.constant("")),
  latitude: optional(degrees),
});
const plainRequest = fc.record({
  realm: fc.constantFrom("", "default", "payments"),
  evaluationId: fc.oneof(fc.uuid(), fc.constant("")),
  audience: fc.array(plainText, { maxLength: 3 }),
  singleUse: fc.boolean(),
  atLeast: fc.option(fc.constant({ generation: 1n, number: 2n }), { nil: undefined, freq: 1 }),
  context: fc.record({
    principal: fc.record({
      id: plainText,
      kind: fc.integer({ min: 0, max: 6 }),
      roles: fc.array(plainText, { maxLength: 3 }),
    }),
    action: fc.record({
      name: plainText,
      resource: text(1024),
      params: fc.dictionary(plainText, value, { maxKeys: 4 }),
    }),
    session: optional(
      fc.record({
        sessionId: plainText,
        startedAt: optional(instant),
        actionCount: fc.oneof(fc.nat(), fc.constantFrom(0, 0xffff_ffff)),
        originIp: ip,
        originGeo: optional(plainGeo),
        originDevice: optional(device),
      }),
    ),
    environment: optional(fc.record({ ip, geo: optional(plainGeo), device: optional(device), userAgent: text(1024) })),
  }),
});

/** The bytes as they are, cut, changed, or with a piece of them twice: what else protobuf allows, and what it does not. */
const bytesOfRequests = fc
  .tuple(fc.oneof(plainRequest, request), fc.nat(), fc.nat(), fc.nat(255), fc.integer({ min: 0, max: 9 }))
  .map(([init, a, b, byte, kind]) => {
    const bytes = toBinary(
      EvaluateRequestSchema,
      create(EvaluateRequestSchema, init as MessageInitShape<typeof EvaluateRequestSchema>),
    );
    const [from, to] = [a % (bytes.length + 1), b % (bytes.length + 1)].sort((x, y) => x - y) as [number, number];
    if (kind === 0) return bytes.slice(0, from);
    if (kind === 1) return bytes.with(Math.min(from, Math.max(0, bytes.length - 1)), byte);
    if (kind === 2) return Uint8Array.of(...bytes, ...bytes.slice(from, to));
    if (kind === 3) return Uint8Array.of(...bytes, ...bytes);
    return bytes;
  })
  .filter((bytes) => bytes.length > 0);

function throughMessage(bytes: Uint8Array): DecisionRequest | undefined {
  try {
    return readRequest(fromBinary(EvaluateRequestSchema, bytes), world);
  } catch {
    return undefined;
  }
}

it("reads from bytes what it reads from messages, or leaves it to them", () => {
  let read = 0;
  fc.assert(
    fc.property(bytesOfRequests, (bytes) => {
      const direct = readRequestBytes(bytes, world);
      if (direct === undefined) return;
      read += 1;
      expect(direct).toEqual(throughMessage(bytes));
    }),
    { numRuns: 20_000 },
  );
  expect(read).toBeGreaterThan(1000);
});

const sealedOf = (token: Uint8Array): SealedToken => ({
  size: token.length,
  writeTo: (bytes, at) => bytes.set(token, at),
  toBytes: () => token,
});

const decision: fc.Arbitrary<Decision> = fc.record(
  {
    verdict: fc.oneof(
      fc
        .record({
          token: fc.uint8Array({ maxLength: 5000, size: "max" }),
          tokenId: fc.uuid(),
          issuedAtMs: fc.integer({ min: 0, max: 2 ** 42 }),
          expiresAtMs: fc.integer({ min: 0, max: 2 ** 42 }),
        })
        .chain((permit) => fc.constantFrom(permit, { ...permit, sealed: sealedOf(permit.token) }))
        .map((permit) => ({ kind: "permit", permit }) as const),
      fc
        .record({ code: fc.constantFrom(...REFUSE_CODES), evaluator: text(256), reason: text(1024) })
        .map((refusal) => ({ kind: "refuse", ...refusal }) as const),
      fc.constant({
        kind: "invalidate",
        scope: { target: { kind: "principal", id: "bot" }, reason: "moved", evaluator: "drift" },
      } as const),
    ),
    evaluationId: fc.uuid(),
    policyDigest: fc.stringMatching(/^[0-9a-f]{64}$/),
    policyName: text(256),
    revision: fc.record({ generation: fc.nat(), number: fc.maxSafeNat() }),
    retryAfterMs: fc.nat(),
    propagation: fc.constantFrom("published", "local_only", "primary_only"),
  },
  { requiredKeys: ["verdict", "evaluationId", "policyDigest", "revision"] },
);

it("writes the bytes of a decision as the library writes its message", () => {
  fc.assert(
    fc.property(decision, fc.nat(5), (decided, headroom) => {
      const bytes = writeDecisionBytes(decided, headroom);
      expect(Buffer.from(bytes.subarray(headroom))).toEqual(
        Buffer.from(toBinary(EvaluateResponseSchema, writeDecision(decided))),
      );
    }),
    { numRuns: 5000 },
  );
});
