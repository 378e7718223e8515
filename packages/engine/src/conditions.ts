/** Conditions as tests. Each answers from the action context and the instant alone; limits and stored sessions are left to the store. */
import type { ActionContext, ParamValue } from "@kavach/model";
import { parsePattern, patternMatches } from "./pattern.ts";
import type { Condition } from "./policy-schema.ts";
import { windowTest } from "./time-window.ts";

export type Effect = "permit" | "refuse";

/** True when the condition holds. */
export type Test = (context: ActionContext, nowMs: number) => boolean;

type PlainCondition = Exclude<Condition, { kind: "rate_limit" | "session_age_max" }>;

/**
 * A param of the wrong type is an error, not a mismatch: nothing is permitted by it, and what is refused stays refused. So
 * the test of a param depends on the effect of its policy. A missing param never holds.
 */
export function compileTest(condition: PlainCondition, effect: Effect): Test {
  const onError = effect === "refuse";
  switch (condition.kind) {
    case "identity_kind": {
      const kind = condition.operand;
      return ({ principal }) => principal.kind === kind;
    }
    case "identity_role": {
      const role = condition.operand;
      return ({ principal }) => principal.roles.includes(role);
    }
    case "identity_id": {
      const id = condition.operand;
      return ({ principal }) => principal.id === id;
    }
    case "action": {
      const pattern = parsePattern(condition.operand);
      return ({ action }) => patternMatches(pattern, action.name);
    }
    case "resource": {
      const pattern = parsePattern(condition.operand);
      return ({ action }) => action.resource !== undefined && patternMatches(pattern, action.resource);
    }
    case "param_max": {
      const { field, max } = condition.operand;
      return ({ action }) => {
        const value = action.params.get(field);
        return isNumber(value) ? value <= max : value !== undefined && onError;
      };
    }
    case "param_min": {
      const { field, min } = condition.operand;
      return ({ action }) => {
        const value = action.params.get(field);
        return isNumber(value) ? value >= min : value !== undefined && onError;
      };
    }
    case "param_in": {
      const { field } = condition.operand;
      const values = new Set(condition.operand.values);
      return ({ action }) => {
        const value = action.params.get(field);
        return typeof value === "string" ? values.has(value) : value !== undefined && onError;
      };
    }
    case "time_window": {
      const inWindow = windowTest(condition.operand);
      return (_context, nowMs) => inWindow(nowMs);
    }
  }
}

function isNumber(value: ParamValue | undefined): value is number {
  return typeof value === "number" && Number.isFinite(value);
}
