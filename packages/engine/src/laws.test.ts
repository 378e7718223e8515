/** Laws of the policy step, over generated sets and contexts. */
import { type ActionContext, type ParamValue, PRINCIPAL_KINDS } from "@kavach/model";
import fc from "fast-check";
import { stringify } from "smol-toml";
import { expect, test } from "vitest";
import { answerOf, contextOf, judge, NOON_MS, noDigest, setOf } from "./engine-fixture.ts";
import { loadPolicySet } from "./policy-set.ts";

const word = fc.constantFrom("a", "ab", "abc", "b", "__proto__");
const pattern = fc.oneof(word, fc.constantFrom("a*", "ab.*", "*"));
const number = fc.constantFrom(-1, 0, 0.5, 1000, 1e21);
const condition = fc.oneof(
  fc.constantFrom(...PRINCIPAL_KINDS).map((kind) => ({ identity_kind: kind })),
  word.map((role) => ({ identity_role: role })),
  word.map((id) => ({ identity_id: id })),
  pattern.map((action) => ({ action })),
  pattern.map((resource) => ({ resource })),
  fc.tuple(word, number).map(([field, max]) => ({ param_max: { field, max } })),
  fc.tuple(word, number).map(([field, min]) => ({ param_min: { field, min } })),
  fc.tuple(word, fc.array(word)).map(([field, values]) => ({ param_in: { field, values } })),
  fc.constantFrom("30s", "1h", "05m", "3600").map((age) => ({ session_age_max: age })),
  fc.constantFrom("09:00-12:00", "12:01-24:00", "22:00-13:00 Asia/Kolkata").map((window) => ({ time_window: window })),
);

interface Drawn {
  readonly effect: string;
  readonly conditions: readonly object[];
  readonly priority: number;
}

const policy: fc.Arbitrary<Drawn> = fc.record({
  effect: fc.constantFrom("permit", "refuse"),
  conditions: fc.array(condition, { maxLength: 3 }),
  priority: fc.constantFrom(0, 100, 4_294_967_295),
});
const policies = fc.array(policy, { maxLength: 8 });

const param: fc.Arbitrary<ParamValue> = fc.oneof(number, word, fc.boolean());
const context: fc.Arbitrary<ActionContext> = fc
  .record({
    parts: fc.record({
      id: word,
      kind: fc.constantFrom(...PRINCIPAL_KINDS),
      roles: fc.array(word),
      action: word,
      resource: word,
    }),
    params: fc.array(fc.tuple(word, param)),
    ageMs: fc.constantFrom(0, 30_999, 31_000, 3_600_000),
  })
  .map(({ parts, params, ageMs }) => {
    const made = contextOf({ ...parts, session: { startedAtMs: NOON_MS - ageMs } });
    return { ...made, action: { ...made.action, params: new Map(params) } };
  });

function named(drawn: readonly Drawn[]): readonly object[] {
  return drawn.map((rest, i) => ({ name: `p${i}`, ...rest }));
}

function answer(drawn: readonly Drawn[], judged: ActionContext): string {
  return answerOf(judge(setOf(...named(drawn)), judged, { enableDrift: false }));
}

test("nothing is permitted that no permit policy of the set permits alone", () => {
  fc.assert(
    fc.property(policies, context, (drawn, judged) => {
      fc.pre(answer(drawn, judged) === "pass");
      expect(drawn.some((one) => one.effect === "permit" && answer([one], judged) === "pass")).toBe(true);
    }),
  );
});

test("adding a refuse policy anywhere never turns a non-permit into a permit", () => {
  fc.assert(
    fc.property(policies, policy, fc.nat(8), context, (drawn, extra, at, judged) => {
      fc.pre(answer(drawn, judged) !== "pass");
      expect(answer(drawn.toSpliced(at, 0, { ...extra, effect: "refuse" }), judged)).not.toBe("pass");
    }),
  );
});

test("adding a permit policy at the end never turns a permit into a refusal", () => {
  fc.assert(
    fc.property(policies, policy, context, (drawn, extra, judged) => {
      fc.pre(answer(drawn, judged) === "pass");
      expect(answer([...drawn, { ...extra, effect: "permit", priority: 4_294_967_295 }], judged)).toBe("pass");
    }),
  );
});

test("object, JSON and TOML that say the same load to the same set and give the same finding", () => {
  fc.assert(
    fc.property(policies, context, (drawn, judged) => {
      const value = { policies: named(drawn) };
      const bySource = [
        loadPolicySet({ format: "object", value }, noDigest),
        loadPolicySet({ format: "json", text: JSON.stringify(value) }, noDigest),
        loadPolicySet({ format: "toml", text: stringify(value) }, noDigest),
      ];
      const [byObject, ...others] = bySource.map((set) => ({
        policies: JSON.stringify(set.policies),
        found: judge(set, judged),
      }));
      for (const other of others) expect(other).toEqual(byObject);
    }),
  );
});

test("the same set, context and facts give the same finding on every run", () => {
  fc.assert(
    fc.property(policies, context, (drawn, judged) => {
      const set = setOf(...named(drawn));
      expect(judge(set, judged)).toEqual(judge(set, judged));
    }),
  );
});
