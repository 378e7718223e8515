/** RFC 8785: the examples of the RFC, and what has no canonical text. */
import { expect, test } from "vitest";
import { canonicalJson } from "./canonical-json.ts";

test("keys are sorted by UTF-16 code units, numbers print as ECMAScript prints them (RFC 8785, 3.2.2 and 3.2.3)", () => {
  // biome-ignore lint/correctness/noPrecisionLoss: the RFC's own example.
  const numbers = [333333333.33333329, 1e30, 4.5, 2e-3, 0.000000000000000000000000001];
  expect(canonicalJson({ numbers, literals: [null, true, false] })).toBe(
    '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27]}',
  );
  const keys = { "€": 1, "\r": 2, "\ufb33": 3, "1": 4, "😀": 5, "\u0080": 6, ö: 7 };
  expect(canonicalJson(keys)).toBe('{"\\r":2,"1":4,"\u0080":6,"ö":7,"€":1,"😀":5,"\ufb33":3}');
});

test.each([
  ["undefined", undefined],
  ["not a number", Number.NaN],
  ["infinity", { a: Number.POSITIVE_INFINITY }],
  ["a lone surrogate", ["\ud800"]],
  ["a function", () => 1],
])("%s has none", (_what, value) => {
  expect(() => canonicalJson(value)).toThrow("value has no canonical JSON");
});

test("a circle has none", () => {
  const circle: { self?: unknown } = {};
  circle.self = circle;
  expect(() => canonicalJson(circle)).toThrow("value has no canonical JSON");
});
