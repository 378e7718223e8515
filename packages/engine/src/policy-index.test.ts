/** The index finds what a linear scan finds, in the same order, and looks at little else. */
import { PRINCIPAL_KINDS } from "@kavach/model";
import fc from "fast-check";
import { expect, test } from "vitest";
import { answerOf, type ContextParts, contextOf, judge, setOf } from "./engine-fixture.ts";

const word = fc.constantFrom("", "a", "ab", "abc", "b", "__proto__", "constructor");
const patternText = fc.oneof(
  word,
  word.map((text) => `${text}*`),
  word.map((text) => `${text}.*`),
);
const condition = fc.oneof(
  fc.constantFrom(...PRINCIPAL_KINDS).map((kind) => ({ identity_kind: kind })),
  word.map((role) => ({ identity_role: role })),
  word.map((id) => ({ identity_id: id })),
  patternText.map((action) => ({ action })),
  patternText.map((resource) => ({ resource })),
);
const policy = fc.record({
  effect: fc.constantFrom("permit", "refuse"),
  conditions: fc.array(condition, { maxLength: 3 }),
  priority: fc.constantFrom(1, 100, 200),
});
const contextParts: fc.Arbitrary<ContextParts> = fc.record({
  id: word,
  kind: fc.constantFrom(...PRINCIPAL_KINDS),
  roles: fc.array(word, { maxLength: 4 }),
  action: word,
  resource: word,
});

test("no policy that matches is missed, none comes twice, and order is kept", () => {
  fc.assert(
    fc.property(fc.array(policy, { maxLength: 12 }), contextParts, (policies, parts) => {
      const set = setOf(...policies.map((rest, i) => ({ name: `p${i}`, ...rest })));
      const context = contextOf(parts);
      const matching = (position: number) => set.policies[position]?.tests.every((holds) => holds(context, 0)) === true;
      const scanned = set.policies.map((_policy, position) => position).filter(matching);
      const walk = set.index.walk(context);
      const walked: number[] = [];
      for (let position = walk.next(); position >= 0; position = walk.next()) walked.push(position);
      expect(walked.filter(matching)).toEqual(scanned);
      expect(walked).toEqual([...new Set(walked)].toSorted((a, b) => a - b));
      const first = set.policies[scanned[0] ?? -1];
      const answer = first === undefined ? "NO_POLICY_MATCH" : first.effect === "permit" ? "pass" : "POLICY_DENIED";
      expect(answerOf(judge(set, context))).toBe(answer);
    }),
  );
});

test.each([
  ["actions", (i: number) => [{ identity_kind: "user" }, { action: `act${i}` }]],
  ["roles under one action", (i: number) => [{ action: "act7" }, { identity_role: `role${i}` }]],
  ["ids under one action", (i: number) => [{ action: "act7" }, { identity_id: `u${i}` }]],
  ["prefixes", (i: number) => [{ action: `act${i}.*` }, { identity_kind: "user" }]],
  ["resources", (i: number) => [{ action: "act7" }, { resource: `r${i}` }]],
])("of 2000 policies that differ by %s few are looked at", (_what, conditions) => {
  const set = setOf(
    ...Array.from({ length: 2000 }, (_, i) => ({ name: `p${i}`, effect: "permit", conditions: conditions(i) })),
  );
  const walk = set.index.walk(contextOf({ id: "u7", action: "act7", roles: ["role7", "role7"], resource: "r7" }));
  let looked = 0;
  while (walk.next() >= 0) looked++;
  expect(looked).toBe(1);
});
