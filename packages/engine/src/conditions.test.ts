/** Each condition: when it holds, when it does not, and what a param of the wrong type does. */
import { describe, expect, test } from "vitest";
import { answerOf, type ContextParts, contextOf, judge, NOON_MS, permit, refuse, setOf } from "./engine-fixture.ts";

type Row = readonly [condition: unknown, context: ContextParts, holds: boolean];

function holdsAs(effect: "permit" | "refuse", condition: unknown, context: ContextParts): boolean {
  if (effect === "permit") return answerOf(judge(setOf(permit(condition)), contextOf(context))) === "pass";
  return answerOf(judge(setOf(refuse(condition), permit()), contextOf(context))) === "POLICY_DENIED";
}

const ROWS: readonly Row[] = [
  [{ identity_kind: "agent" }, { kind: "agent" }, true],
  [{ identity_kind: "agent" }, { kind: "user" }, false],
  [{ identity_role: "support" }, { roles: ["a", "support"] }, true],
  [{ identity_role: "support" }, { roles: ["Support"] }, false],
  [{ identity_role: "support" }, { roles: [] }, false],
  [{ identity_role: "constructor" }, { roles: ["constructor"] }, true],
  [{ identity_id: "__proto__" }, { id: "__proto__" }, true],
  [{ identity_id: "u1" }, { id: "u2" }, false],
  [{ action: "refund" }, { action: "refund" }, true],
  [{ action: "refund" }, { action: "refund.create" }, false],
  [{ action: "refund.*" }, { action: "refund" }, true],
  [{ action: "refund.*" }, { action: "refund.create" }, true],
  [{ action: "refund.*" }, { action: "refunds" }, true],
  [{ action: "refund.*" }, { action: "refun" }, false],
  [{ action: "re*" }, { action: "refund" }, true],
  [{ action: "*" }, { action: "anything" }, true],
  [{ action: "a*b" }, { action: "axb" }, false],
  [{ action: "a*b" }, { action: "a*b" }, true],
  [{ action: "a.b" }, { action: "aXb" }, false],
  [{ resource: "orders/*" }, { resource: "orders/1" }, true],
  [{ resource: "orders/*" }, { resource: "order" }, false],
  [{ resource: "*" }, {}, false],
  [{ param_max: { field: "x", max: 5 } }, { params: { x: 5 } }, true],
  [{ param_max: { field: "x", max: 5 } }, { params: { x: 5.000001 } }, false],
  [{ param_max: { field: "x", max: 5 } }, {}, false],
  [{ param_min: { field: "x", min: 5 } }, { params: { x: 5 } }, true],
  [{ param_min: { field: "x", min: 5 } }, { params: { x: 4.999999 } }, false],
  [{ param_min: { field: "x", min: 5 } }, {}, false],
  [{ param_in: { field: "c", values: ["US", ""] } }, { params: { c: "US" } }, true],
  [{ param_in: { field: "c", values: ["US", ""] } }, { params: { c: "" } }, true],
  [{ param_in: { field: "c", values: ["US"] } }, { params: { c: "us" } }, false],
  [{ param_in: { field: "c", values: [] } }, { params: { c: "us" } }, false],
  [{ param_in: { field: "c", values: ["US"] } }, {}, false],
  [{ session_age_max: "60s" }, { session: { startedAtMs: NOON_MS - 60_999 } }, true],
  [{ session_age_max: "60s" }, { session: { startedAtMs: NOON_MS - 61_000 } }, false],
  [{ session_age_max: "60s" }, { session: { startedAtMs: NOON_MS + 5000 } }, true],
  [{ session_age_max: "60s" }, {}, true],
  [{ time_window: "09:00-12:00" }, {}, true],
  [{ time_window: "12:01-18:00" }, {}, false],
];

describe.each(["permit", "refuse"] as const)("in a %s policy", (effect) => {
  test.each(ROWS)("%j of %j holds: %s", (condition, context, holds) => {
    expect(holdsAs(effect, condition, context)).toBe(holds);
  });
});

test.each([
  [{ param_max: { field: "x", max: 5 } }, { x: "1" }],
  [{ param_max: { field: "x", max: 5 } }, { x: true }],
  [{ param_max: { field: "x", max: 5 } }, { x: Number.NaN }],
  [{ param_min: { field: "x", min: 5 } }, { x: "9" }],
  [{ param_min: { field: "x", min: 5 } }, { x: Number.POSITIVE_INFINITY }],
  [{ param_in: { field: "x", values: ["1"] } }, { x: 1 }],
  [{ param_in: { field: "x", values: ["true"] } }, { x: true }],
])("%j of the wrong type %j permits nothing and refuses all the same", (condition, params) => {
  expect(holdsAs("permit", condition, { params })).toBe(false);
  expect(holdsAs("refuse", condition, { params })).toBe(true);
});

test("a wrong type in a refuse policy refuses only what its other conditions name", () => {
  const set = setOf(refuse({ action: "pay" }, { param_max: { field: "x", max: 5 } }), permit());
  expect(answerOf(judge(set, contextOf({ action: "pay", params: { x: "1" } })))).toBe("POLICY_DENIED");
  expect(answerOf(judge(set, contextOf({ action: "read", params: { x: "1" } })))).toBe("pass");
});

test("params named like members of every object are ordinary params", () => {
  const set = setOf(
    permit({ param_max: { field: "__proto__", max: 5 } }, { param_in: { field: "constructor", values: ["a"] } }),
  );
  const context = contextOf();
  expect(answerOf(judge(set, context))).toBe("NO_POLICY_MATCH");
  const params = new Map<string, number | string>([["__proto__", 1]]).set("constructor", "a");
  expect(answerOf(judge(set, { ...context, action: { ...context.action, params } }))).toBe("pass");
});

test("all conditions of a policy must hold; no conditions match everything", () => {
  const both = setOf(permit({ action: "act" }, { identity_kind: "user" }));
  expect(answerOf(judge(both, contextOf()))).toBe("pass");
  expect(answerOf(judge(both, contextOf({ kind: "agent" })))).toBe("NO_POLICY_MATCH");
  expect(answerOf(judge(setOf(permit()), contextOf({ kind: "external", action: "x" })))).toBe("pass");
});
