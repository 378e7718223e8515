/** What a plan asks of the store, and what the store's answer comes to. */
import { describe, expect, test } from "vitest";
import { decide } from "./decide.ts";
import { candidatesOf, contextOf, NOON_MS, permit, refuse, setOf } from "./engine-fixture.ts";
import { compileGateRules } from "./gate-rules.ts";
import { plan } from "./plan.ts";

const HOUR = { max: 2, window: "1h" };
const inline = { storedSession: false };
const stored = { storedSession: true };
const named = (name: string, effect: string, ...conditions: unknown[]) => ({ name, effect, conditions });

test("a permit that holds for certain needs no store", () => {
  const planned = plan(setOf(permit({ action: "act" }), permit2()), contextOf(), NOON_MS, inline);
  expect(planned).toEqual({
    kind: "candidates",
    candidates: [{ effect: "permit", limits: [], position: 0, policyName: "p" }],
    countAttempt: false,
    needsStore: false,
  });
});

test("a refusal that holds for certain, and no match at all, are findings", () => {
  expect(plan(setOf(refuse(), permit()), contextOf(), NOON_MS, inline)).toEqual({
    kind: "finding",
    finding: {
      kind: "refuse",
      code: "POLICY_DENIED",
      evaluator: "policy",
      reason: "denied by policy 'r'",
      policyName: "r",
    },
  });
  expect(plan(setOf(permit({ action: "x" })), contextOf(), NOON_MS, stored)).toEqual({
    kind: "finding",
    finding: {
      kind: "refuse",
      code: "NO_POLICY_MATCH",
      evaluator: "policy",
      reason: "no policy permits 'act' for principal 'u1'",
    },
  });
});

test("candidates end with the first that holds for certain", () => {
  const set = setOf(
    permit({ rate_limit: HOUR }),
    named("x", "refuse", { action: "other" }),
    refuse({ action: "act" }),
    permit2(),
  );
  const planned = candidatesOf(plan(set, contextOf(), NOON_MS, inline));
  expect(planned.needsStore).toBe(true);
  expect(planned.candidates).toEqual([
    {
      effect: "permit",
      limits: [{ max: 2, windowMs: 3_600_000, count: "admissions" }],
      position: 0,
      policyName: "p",
    },
    { effect: "refuse", limits: [], position: 2, policyName: "r" },
  ]);
});

test("an inline session's age is judged at once, a stored one's is left to the store", () => {
  const set = setOf(permit({ session_age_max: "60s" }, { session_age_max: "2m" }));
  const context = contextOf({ session: { startedAtMs: NOON_MS - 61_000 } });
  expect(plan(set, context, NOON_MS, inline).kind).toBe("finding");
  const [candidate] = candidatesOf(plan(set, context, NOON_MS, stored)).candidates;
  expect(candidate?.oldestSessionStartMs).toBe(NOON_MS - 60_999);
  const [fraction] = candidatesOf(plan(set, context, NOON_MS + 0.25, stored)).candidates;
  expect(fraction?.oldestSessionStartMs).toBe(NOON_MS - 60_999);
});

test("a refuse policy bound to a stored session's age is no certain end", () => {
  const set = setOf(refuse({ session_age_max: "60s" }), permit());
  const planned = candidatesOf(plan(set, contextOf({ session: {} }), NOON_MS, stored));
  expect(planned.candidates.map(({ policyName }) => policyName)).toEqual(["r", "p"]);
});

test("a stored session always needs the store", () => {
  expect(candidatesOf(plan(setOf(permit()), contextOf({ session: {} }), NOON_MS, stored)).needsStore).toBe(true);
});

function permit2(): unknown {
  return { name: "p2", effect: "permit", conditions: [] };
}

describe("attempts", () => {
  const attempts = { ...HOUR, count: "attempts" };

  test.each([
    [[{ action: "act" }], "act", true],
    [[{ action: "act" }], "acts", false],
    [[{ action: "a*" }], "acts", true],
    [[{ action: "a*" }, { action: "ac.*" }], "acts", true],
    [[{ action: "a*" }, { action: "b" }], "act", false],
    [[], "whatever", true],
  ])("patterns %j, action %s: counted %s", (patterns, action, counted) => {
    const set = setOf(permit({ identity_role: "nobody" }, ...patterns, { rate_limit: attempts }));
    const planned = plan(set, contextOf({ action }), NOON_MS, inline);
    expect(planned.kind === "candidates" && planned.countAttempt).toBe(counted);
  });

  test("an attempt is counted although nothing matches, and although a refusal is certain", () => {
    const set = setOf(permit({ identity_role: "nobody" }, { action: "act" }, { rate_limit: attempts }));
    const rules = compileGateRules();
    const none = candidatesOf(plan(set, contextOf(), NOON_MS, inline));
    expect(none).toMatchObject({ candidates: [], countAttempt: true, needsStore: true });
    const facts = { nowMs: NOON_MS, candidate: undefined, exceeded: [] };
    expect(decide(set, rules, contextOf(), none, facts)).toMatchObject({ code: "NO_POLICY_MATCH" });
    const refused = setOf(refuse(), permit({ action: "act" }, { rate_limit: attempts }));
    const certain = candidatesOf(plan(refused, contextOf(), NOON_MS, inline));
    expect(certain).toMatchObject({ candidates: [{ policyName: "r" }], countAttempt: true, needsStore: true });
    expect(decide(refused, rules, contextOf(), certain, { ...facts, candidate: 0 })).toMatchObject({
      code: "POLICY_DENIED",
    });
  });
});

const set = setOf(
  named("first", "permit", { rate_limit: HOUR }),
  named("second", "permit", { rate_limit: { max: 9, window: "1d" } }),
  named("open", "permit", { action: "free" }),
  named("never", "refuse", { action: "bad" }),
);
const rules = compileGateRules({ invariants: [["cap", "x", 1]] });
const exceeded = [
  { candidate: 0, retryAfterMs: 9000 },
  { candidate: 1, retryAfterMs: 400 },
];

test("a limit that was the only obstacle names the first policy and the soonest retry", () => {
  const planned = candidatesOf(plan(set, contextOf(), NOON_MS, inline));
  expect(decide(set, rules, contextOf(), planned, { nowMs: NOON_MS, candidate: undefined, exceeded })).toEqual({
    kind: "refuse",
    code: "RATE_LIMIT_EXCEEDED",
    evaluator: "policy",
    reason: "rate limit of policy 'first' exceeded",
    policyName: "first",
    retryAfterMs: 400,
  });
});

test("a later policy that holds decides, whatever was exceeded before it", () => {
  const free = contextOf({ action: "free" });
  const planned = candidatesOf(plan(set, free, NOON_MS, inline));
  const facts = { nowMs: NOON_MS, exceeded };
  expect(decide(set, rules, free, planned, { ...facts, candidate: 2 })).toEqual({
    kind: "pass",
    policyName: "open",
    limited: false,
  });
  expect(decide(set, rules, free, planned, { ...facts, candidate: 1 })).toEqual({
    kind: "pass",
    policyName: "second",
    limited: true,
  });
  const bad = contextOf({ action: "bad" });
  const refused = candidatesOf(plan(set, bad, NOON_MS, inline));
  expect(decide(set, rules, bad, refused, { ...facts, candidate: 2 })).toMatchObject({
    reason: "denied by policy 'never'",
  });
});

test("policy speaks before drift, drift before invariants", () => {
  const context = contextOf({ params: { x: 5 }, session: { actionCount: 500 } });
  const planned = candidatesOf(plan(set, context, NOON_MS, inline));
  const session = context.session ?? expect.fail();
  const facts = { nowMs: NOON_MS, exceeded: [], session };
  expect(decide(set, rules, context, planned, { ...facts, candidate: undefined })).toMatchObject({
    code: "NO_POLICY_MATCH",
  });
  expect(decide(set, rules, context, planned, { ...facts, candidate: 0 })).toMatchObject({ kind: "invalidate" });
  const calm = { ...facts, candidate: 0, session: { ...session, actionCount: 0 } };
  expect(decide(set, rules, context, planned, calm)).toMatchObject({ code: "INVARIANT_VIOLATION" });
});

test("the facts' session counts, not the caller's word", () => {
  const context = contextOf({ session: { actionCount: 0 }, environment: { ip: "1.1.1.1" } });
  const planned = candidatesOf(plan(set, context, NOON_MS, stored));
  const session = { id: "s1", startedAtMs: NOON_MS, actionCount: 0, originIp: "9.9.9.9" };
  expect(decide(set, rules, context, planned, { nowMs: NOON_MS, candidate: 0, exceeded: [], session }).kind).toBe(
    "invalidate",
  );
});

test("facts that fit no plan are a bug, never a permit", () => {
  const planned = candidatesOf(plan(set, contextOf(), NOON_MS, inline));
  const facts = { nowMs: NOON_MS, exceeded: [] };
  expect(() => decide(set, rules, contextOf(), planned, { ...facts, candidate: 7 })).toThrow("no candidate 7");
  expect(() => decide(setOf(permit()), rules, contextOf(), planned, { ...facts, candidate: 1 })).toThrow(
    "another policy set",
  );
});
