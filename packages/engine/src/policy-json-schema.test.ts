/** The published JSON Schema is the loader's own, and the two judge alike. */
import { readFileSync } from "node:fs";
import { Ajv2020 } from "ajv/dist/2020.js";
import { describe, expect, test } from "vitest";
import { noDigest } from "./engine-fixture.ts";
import { policyJsonSchema } from "./policy-json-schema.ts";
import { loadPolicySet } from "./policy-set.ts";

const published = JSON.parse(
  readFileSync(new URL("../../../docs/reference/policy.schema.json", import.meta.url), "utf8"),
) as object;
const validate = new Ajv2020({ allErrors: true, strict: true, strictRequired: false }).compile(published);

function loads(value: unknown): boolean {
  try {
    loadPolicySet({ format: "object", value }, noDigest);
    return true;
  } catch (error) {
    if ((error as Error).name === "PolicyError") return false;
    throw error;
  }
}

const policy = (change: object = {}) => ({ policies: [{ name: "p", effect: "permit", conditions: [], ...change }] });
const one = (condition: unknown, effect = "permit") => policy({ effect, conditions: [condition] });

test("the published schema is what the loader's schema says now", () => {
  expect(published).toEqual(policyJsonSchema());
});

const ACCEPTED: readonly unknown[] = [
  {},
  { policies: [] },
  { policy: [] },
  policy(),
  policy({ description: "d", priority: 0 }),
  policy({ priority: 4_294_967_295 }),
  one({ identity_kind: "agent" }),
  one({ identity_role: "" }),
  one({ identity_id: "i" }),
  one({ action: "a*" }),
  one({ resource: "r.*" }),
  one({ param_max: { field: "f", max: -1.5 } }),
  one({ param_min: { field: "f", min: 1e300 } }),
  one({ param_in: { field: "f", values: [] } }),
  one({ rate_limit: { max: 1, window: "30d" } }),
  one({ rate_limit: { max: 4_294_967_295, window: " 007s ", count: "attempts" } }),
  one({ session_age_max: "4h" }, "refuse"),
  one({ session_age_max: "90" }),
  one({ time_window: "00:00-24:00" }),
  one({ time_window: "22:00-06:00 America/Argentina/Buenos_Aires" }),
  one({ time_window: "22:00-06:00 Etc/GMT+5" }),
];

const REFUSED: readonly unknown[] = [
  [],
  null,
  "policies",
  { policies: {} },
  { polices: [] },
  { policies: [], policy: [] },
  { policies: [["p", "permit", []]] },
  { policies: [{ name: "p", effect: "permit" }] },
  policy({ name: "" }),
  policy({ name: "a\nb" }),
  policy({ name: "n".repeat(257) }),
  policy({ effect: "allow" }),
  policy({ conditions: {} }),
  policy({ priority: -1 }),
  policy({ priority: 1.5 }),
  policy({ priority: 4_294_967_296 }),
  policy({ priority: "1" }),
  policy({ description: 1 }),
  policy({ extra: true }),
  one({}),
  one({ action: "a", resource: "r" }),
  one({ acton: "a" }),
  one("action"),
  one({ identity_kind: "robot" }),
  one({ param_max: { field: "f", max: "1" } }),
  one({ param_max: { field: "f" } }),
  one({ param_max: { field: "f", max: 1, min: 0 } }),
  one({ param_in: { field: "f", values: [1] } }),
  one({ rate_limit: { max: 0, window: "1h" } }),
  one({ rate_limit: { max: 1.5, window: "1h" } }),
  one({ rate_limit: { max: 1, window: "0s" } }),
  one({ rate_limit: { max: 1, window: "1h", count: "calls" } }),
  one({ rate_limit: { max: 1, window: "1h" } }, "refuse"),
  one({ session_age_max: "+5s" }),
  one({ session_age_max: "1h30m" }),
  one({ session_age_max: 60 }),
  one({ time_window: "9:00-10:00" }),
  one({ time_window: "24:00-10:00" }),
  one({ time_window: "09:00-10:00  UTC" }),
  one({ time_window: "09:00-25:00" }),
];

describe("alike", () => {
  test.each(ACCEPTED.map((value) => [value] as const))("both accept %j", (value) => {
    expect([validate(value), loads(value)]).toEqual([true, true]);
  });

  test.each(REFUSED.map((value) => [value] as const))("both refuse %j", (value) => {
    expect([validate(value), loads(value)]).toEqual([false, false]);
  });
});

test.each([
  [{ policies: [policy().policies[0], policy().policies[0]] }],
  [policy({ name: "é".repeat(129) })],
  [one({ time_window: "09:00-10:00 Mars/Olympus" })],
  [one({ rate_limit: { max: 1, window: "31d" } })],
  [one({ session_age_max: "9".repeat(20) })],
])("what a schema cannot say the loader refuses all the same: %j", (value) => {
  expect([validate(value), loads(value)]).toEqual([true, false]);
});
