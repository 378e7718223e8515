/** An explanation names what held and what did not, for every policy, detector and invariant, and agrees with the decision. */
import { describe, expect, test } from "vitest";
import { answerOf, contextOf, judge, NOON_MS, noDigest } from "./engine-fixture.ts";
import { explain } from "./explain.ts";
import { compileGateRules } from "./gate-rules.ts";
import { loadPolicySet } from "./policy-set.ts";

const policies = [
  {
    name: "small",
    effect: "permit",
    conditions: [{ identity_role: "support" }, { session_age_max: "1h" }, { param_max: { field: "amount", max: 10 } }],
  },
  {
    name: "few",
    effect: "permit",
    priority: 200,
    conditions: [{ action: "act" }, { rate_limit: { max: 2, window: "1m" } }],
  },
  { name: "never", effect: "refuse", priority: 50, conditions: [{ param_in: { field: "region", values: ["XX"] } }] },
];
const set = loadPolicySet({ format: "object", value: { policies } }, noDigest);
const rules = compileGateRules({
  invariants: [["cap", "amount", 100], { kind: "blocked_actions", name: "no_delete", actions: ["delete"] }],
});

describe("policies", () => {
  test("each with its first condition that failed, in the order of evaluation", () => {
    const context = contextOf({ roles: ["support"], params: { amount: 50 }, session: {} });
    const { policies: told } = explain(set, rules, context, NOON_MS);
    expect(told.map(({ name, outcome, failed }) => ({ name, outcome, failed: failed?.condition }))).toEqual([
      { name: "never", outcome: "fails", failed: { param_in: { field: "region", values: ["XX"] } } },
      { name: "small", outcome: "fails", failed: { param_max: { field: "amount", max: 10 } } },
      { name: "few", outcome: "within_limits", failed: undefined },
    ]);
    expect(told[1]?.conditions.map(({ holds }) => holds)).toEqual([true, true, false]);
    expect(told[2]?.conditions[1]).toEqual({
      condition: { rate_limit: { max: 2, window: "60s", count: "admissions" } },
      holds: "counted",
    });
  });

  test("conditions after a failed one are judged too", () => {
    const { policies: told } = explain(set, rules, contextOf({ params: { amount: 5 } }), NOON_MS);
    expect(told[1]?.conditions.map(({ holds }) => holds)).toEqual([false, true, true]);
  });
});

test("drift: every detector, also after one has objected", () => {
  const session = { startedAtMs: NOON_MS - 3.5 * 3_600_000, originIp: "10.0.0.1" };
  const context = contextOf({ session, environment: { ip: "10.0.0.2" } });
  expect(explain(set, rules, context, NOON_MS).drift).toEqual([
    { detector: "geo_drift", signal: "violation", message: "IP changed mid-session: 10.0.0.1 → 10.0.0.2" },
    { detector: "session_age_drift", signal: "warning" },
    { detector: "device_drift", signal: "stable" },
    { detector: "behavior_drift", signal: "stable" },
  ]);
  expect(explain(set, compileGateRules({ enableDrift: false }), context, NOON_MS).drift).toEqual([]);
  expect(explain(set, rules, contextOf(), NOON_MS).drift).toEqual([]);
});

test("invariants: every one, with what a refusal would say", () => {
  expect(explain(set, rules, contextOf({ params: { amount: 101 } }), NOON_MS).invariants).toEqual([
    { name: "cap", holds: false, reason: "invariant 'cap' violated: parameter 'amount' must be at most 100" },
    { name: "no_delete", holds: true },
  ]);
});

test.each([
  [contextOf({ params: { amount: 5 } }), "pass"],
  [contextOf({ params: { amount: 500 } }), "INVARIANT_VIOLATION"],
  [contextOf({ params: { region: "XX" } }), "POLICY_DENIED"],
  [contextOf({ action: "other" }), "NO_POLICY_MATCH"],
])("the finding is the decision's (%#)", (context, answer) => {
  const told = explain(set, rules, context, NOON_MS);
  expect(answerOf(told.finding)).toBe(answer);
  const options = { invariants: [["cap", "amount", 100] as const] };
  expect(told.finding).toEqual(judge(set, context, options));
});
