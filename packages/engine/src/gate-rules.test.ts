/** Invariants, drift options, and everything that is wrong with options. */
import { describe, expect, test } from "vitest";
import { answerOf, type ContextParts, contextOf, judge, NOON_MS, permit, setOf } from "./engine-fixture.ts";
import { GateOptionError, type OptionFault } from "./faults.ts";
import { compileGateRules, type GateRuleOptions, type InvariantOption } from "./gate-rules.ts";

const everything = setOf(permit());

function reasonOf(options: GateRuleOptions, parts: ContextParts): string {
  const finding = judge(everything, contextOf(parts), { enableDrift: false, ...options });
  if (finding.kind === "pass") return "pass";
  if (finding.kind !== "refuse") return finding.kind;
  return `${finding.code} ${finding.evaluator}: ${finding.reason}`;
}

const VIOLATED = "INVARIANT_VIOLATION invariants: invariant 'i' violated: ";

describe("invariants", () => {
  const max: InvariantOption = { kind: "param_max", name: "i", field: "amount", max: 1000 };
  const min: InvariantOption = { kind: "param_min", name: "i", field: "amount", min: 0.0000001 };
  test.each<readonly [InvariantOption, ContextParts, string]>([
    [["i", "amount", 1000], { params: { amount: 1000 } }, "pass"],
    [["i", "amount", 1000], { params: { amount: 1000.5 } }, `${VIOLATED}parameter 'amount' must be at most 1000`],
    [max, { params: { amount: 1001 } }, `${VIOLATED}parameter 'amount' must be at most 1000`],
    [max, { params: { amount: "1" } }, `${VIOLATED}parameter 'amount' must be at most 1000`],
    [max, { params: { amount: false } }, `${VIOLATED}parameter 'amount' must be at most 1000`],
    [max, { params: { amount: Number.NaN } }, `${VIOLATED}parameter 'amount' must be at most 1000`],
    [max, {}, "pass"],
    [{ ...max, required: true }, {}, `${VIOLATED}parameter 'amount' must be at most 1000`],
    [min, { params: { amount: 0 } }, `${VIOLATED}parameter 'amount' must be at least 0.0000001`],
    [min, { params: { amount: 1 } }, "pass"],
    [min, { params: { amount: "1" } }, `${VIOLATED}parameter 'amount' must be at least 0.0000001`],
    [min, {}, "pass"],
    [{ ...min, required: true }, {}, `${VIOLATED}parameter 'amount' must be at least 0.0000001`],
    [{ kind: "max_actions_per_session", name: "i", max: 3 }, { session: { actionCount: 3 } }, "pass"],
    [
      { kind: "max_actions_per_session", name: "i", max: 3 },
      { session: { actionCount: 4 } },
      `${VIOLATED}maximum 3 actions per session`,
    ],
    [{ kind: "max_actions_per_session", name: "i", max: 0 }, {}, "pass"],
    [{ kind: "max_session_age", name: "i", max: "1m" }, { session: { startedAtMs: NOON_MS - 60_999 } }, "pass"],
    [
      { kind: "max_session_age", name: "i", max: "1m" },
      { session: { startedAtMs: NOON_MS - 61_000 } },
      `${VIOLATED}maximum session age: 60s`,
    ],
    [{ kind: "allowed_actions", name: "i", actions: ["act", "b"] }, {}, "pass"],
    [{ kind: "allowed_actions", name: "i", actions: ["a*", "b"] }, {}, `${VIOLATED}a*, b`],
    [{ kind: "blocked_actions", name: "i", actions: ["act", "b"] }, {}, `${VIOLATED}act, b`],
    [{ kind: "blocked_actions", name: "i", actions: ["acts"] }, {}, "pass"],
    [{ kind: "custom", name: "i", description: "no luck", check: () => true }, {}, "pass"],
    [{ kind: "custom", name: "i", description: "no luck", check: () => false }, {}, `${VIOLATED}no luck`],
  ])("%j of %j: %s", (invariant, parts, reason) => {
    expect(reasonOf({ invariants: [invariant] }, parts)).toBe(reason);
  });

  test.each([
    () => {
      throw new Error("broken");
    },
    () => 1 as unknown as boolean,
    () => undefined as unknown as boolean,
    () => Promise.resolve(true) as unknown as boolean,
    () => Promise.reject(new Error("late")) as unknown as boolean,
  ])("a custom check that does not say true at once fails: %s", (check) => {
    const custom: InvariantOption = { kind: "custom", name: "i", description: "must say so", check };
    expect(reasonOf({ invariants: [custom] }, {})).toBe(`${VIOLATED}must say so`);
  });

  test("the first that fails speaks, and maxSessionActions comes last", () => {
    const options: GateRuleOptions = {
      invariants: [
        ["a", "x", 1],
        ["b", "y", 1],
      ],
      maxSessionActions: 3,
    };
    const session = { actionCount: 4 };
    expect(reasonOf(options, { params: { x: 2, y: 2 }, session })).toContain("invariant 'a' violated");
    expect(reasonOf(options, { params: { y: 2 }, session })).toContain("invariant 'b' violated");
    expect(reasonOf(options, { session })).toBe(
      "INVARIANT_VIOLATION invariants: invariant 'max_session_actions' violated: maximum 3 actions per session",
    );
  });
});

function faultsOf(options: unknown): readonly OptionFault[] {
  try {
    compileGateRules(options as GateRuleOptions);
  } catch (error) {
    if (error instanceof GateOptionError) return error.faults;
    throw error;
  }
  throw new Error("accepted");
}

describe("options", () => {
  test("drift thresholds have defaults", () => {
    expect(compileGateRules().drift).toEqual({
      geoMaxKm: undefined,
      sessionAgeMaxSeconds: 14_400,
      sessionAgeWarningSeconds: 10_800,
      actionRateMax: 100,
      actionRateWarning: 30,
      warningsToRefuse: 3,
    });
    expect(compileGateRules({ enableDrift: false }).drift).toBeUndefined();
    expect(answerOf(judge(everything, contextOf()))).toBe("pass");
  });

  test.each<readonly [unknown, Partial<OptionFault>]>([
    [{ invariant: [] }, { path: "invariant", key: "invariant", suggestion: "invariants" }],
    [{ drift: { geoMaxKm: Number.NaN } }, { path: "drift.geoMaxKm", message: "must be a finite number, is NaN" }],
    [{ drift: { geoMaxKm: -1 } }, { path: "drift.geoMaxKm", message: "must be at least 0, is -1" }],
    [{ drift: { geoMaxKm: Number.POSITIVE_INFINITY } }, { path: "drift.geoMaxKm" }],
    [{ drift: { geoMaxKM: 1, geoMaxKm: 1 } }, { path: "drift.geoMaxKM", suggestion: "geoMaxKm" }],
    [{ drift: { warningsToRefuse: 0 } }, { path: "drift.warningsToRefuse" }],
    [{ maxSessionActions: -1 }, { path: "maxSessionActions", message: "must be at least 0, is -1" }],
    [{ maxSessionActions: 1.5 }, { path: "maxSessionActions" }],
    [{ enableDrift: "no" }, { path: "enableDrift", message: "must be true or false, is 'no'" }],
    [
      { invariants: [["a", "x"]] },
      { path: "invariants[0]", message: "must be an object or [name, field, max], is a list of 2" },
    ],
    [{ invariants: [["a", "x", Number.NaN]] }, { path: "invariants[0][2]" }],
    [{ invariants: ["a"] }, { path: "invariants[0]" }],
    [{ invariants: [{ name: "a" }] }, { path: "invariants[0].kind", message: "key 'kind' is missing" }],
    [{ invariants: [{ kind: "param_mx", name: "a" }] }, { path: "invariants[0].kind", suggestion: "param_max" }],
    [{ invariants: [{ kind: "__proto__", name: "a" }] }, { path: "invariants[0].kind" }],
    [
      { invariants: [{ kind: "max_session_age", name: "a", max: "0s" }] },
      { path: "invariants[0].max", message: "a duration of zero" },
    ],
    [{ invariants: [{ kind: "param_max", name: "a", field: "x", max: 1, reqired: true }] }, { suggestion: "required" }],
    [{ invariants: [{ kind: "custom", name: "a", description: "d", check: 1 }] }, { message: "must be a function" }],
    [
      { invariants: [["a", "x", 1], { kind: "allowed_actions", name: "a", actions: [] }] },
      { message: "name 'a' is taken by invariants[0]" },
    ],
    [{ invariants: [["max_session_actions", "x", 1]], maxSessionActions: 1 }, { path: "invariants[0][0]" }],
  ])("%j", (options, fault) => {
    const faults = faultsOf(options);
    expect(faults).toHaveLength(1);
    expect(faults[0]).toMatchObject(fault);
  });

  test("every fault at once", () => {
    const faults = faultsOf({ maxSessionActions: -1, drift: { geoMaxKm: -1 }, invariants: [5], extra: 1 });
    expect(faults.map(({ path }) => path).toSorted()).toEqual([
      "drift.geoMaxKm",
      "extra",
      "invariants[0]",
      "maxSessionActions",
    ]);
  });
});
