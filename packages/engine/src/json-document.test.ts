/** Strict JSON: what `JSON.parse` takes is taken with the same value, what it refuses is refused. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { readJson } from "./json-document.ts";

function outcome(read: () => unknown): string {
  try {
    return JSON.stringify(read());
  } catch {
    return "refused";
  }
}

function sameAsPlainParser(text: string): void {
  expect(outcome(() => readJson(text).value)).toBe(outcome(() => JSON.parse(text)));
}

test("values are those of the plain parser", () => {
  fc.assert(fc.property(fc.json(), (text) => sameAsPlainParser(text)));
});

test("damaged texts are refused where the plain parser refuses them", () => {
  const damaged = fc.tuple(
    fc.json(),
    fc.nat(),
    fc.constantFrom("", ",", '"', "}", "0", "\\", "\u0001", "/", "'", "+", "e", "."),
  );
  fc.assert(
    fc.property(damaged, ([text, at, patch]) => {
      const cut = at % (text.length + 1);
      const broken = text.slice(0, cut) + patch + text.slice(cut + 1);
      // A repeated key is the one thing on which the two differ on purpose.
      fc.pre(outcome(() => readJson(broken).faults) === "[]" || outcome(() => JSON.parse(broken)) === "refused");
      sameAsPlainParser(broken);
    }),
  );
});

test.each([
  "\ufeff{}",
  "{} x",
  "01",
  "1.",
  ".5",
  "+1",
  "NaN",
  "Infinity",
  "undefined",
  '"\t"',
  '"\\x41"',
  "{a:1}",
  "[,]",
])("%j is refused", (text) => {
  expect(() => readJson(text)).toThrow("malformed JSON");
});
