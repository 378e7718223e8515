/** The hand-written check of a request is never laxer than the rules written in the contract. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { EvaluateRequestSchema } from "@kavach/api";
import { InputError } from "@kavach/model";
import { validated } from "@kavach/serve";
import { drawUuid, SYSTEM_CLOCK } from "@kavach/system";
import { readRequest } from "@kavach/wire";
import fc from "fast-check";
import { expect, it } from "vitest";

const world = { clock: SYSTEM_CLOCK, drawUuid };

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
