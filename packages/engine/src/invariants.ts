/** Invariants: what no policy can lift. They run last, in order; the first that fails refuses. */
import type { ActionContext, RefuseFinding, Session } from "@kavach/model";
import { plainNumber } from "./number-text.ts";
import { sessionAgeSeconds } from "./session-age.ts";

export type InvariantRule =
  | {
      readonly kind: "param_max";
      readonly name: string;
      readonly field: string;
      readonly max: number;
      readonly required: boolean;
    }
  | {
      readonly kind: "param_min";
      readonly name: string;
      readonly field: string;
      readonly min: number;
      readonly required: boolean;
    }
  | { readonly kind: "max_actions_per_session"; readonly name: string; readonly max: number }
  | { readonly kind: "max_session_age"; readonly name: string; readonly maxSeconds: number }
  | { readonly kind: "allowed_actions" | "blocked_actions"; readonly name: string; readonly actions: readonly string[] }
  | { readonly kind: "custom"; readonly name: string; readonly description: string; readonly check: InvariantCheck };

/** Must return `true` at once to hold; whatever else it returns, or throws, fails it. */
export type InvariantCheck = (context: ActionContext, session: Session | undefined, nowMs: number) => boolean;

export interface Invariant {
  readonly name: string;
  readonly holds: InvariantCheck;
  readonly violation: RefuseFinding;
}

export function compileInvariant(rule: InvariantRule): Invariant {
  const reason = `invariant '${rule.name}' violated: ${describe(rule)}`;
  const violation = Object.freeze({
    kind: "refuse",
    code: "INVARIANT_VIOLATION",
    evaluator: "invariants",
    reason,
  } as const);
  return Object.freeze({ name: rule.name, holds: checkOf(rule), violation });
}

export function judgeInvariants(
  invariants: readonly Invariant[],
  context: ActionContext,
  session: Session | undefined,
  nowMs: number,
): RefuseFinding | undefined {
  for (const invariant of invariants) if (!invariant.holds(context, session, nowMs)) return invariant.violation;
  return undefined;
}

function describe(rule: InvariantRule): string {
  switch (rule.kind) {
    case "param_max":
      return `parameter '${rule.field}' must be at most ${plainNumber(rule.max)}`;
    case "param_min":
      return `parameter '${rule.field}' must be at least ${plainNumber(rule.min)}`;
    case "max_actions_per_session":
      return `maximum ${plainNumber(rule.max)} actions per session`;
    case "max_session_age":
      return `maximum session age: ${plainNumber(rule.maxSeconds)}s`;
    case "allowed_actions":
    case "blocked_actions":
      return rule.actions.join(", ");
    case "custom":
      return rule.description;
  }
}

function checkOf(rule: InvariantRule): InvariantCheck {
  switch (rule.kind) {
    case "param_max":
      return numberCheck(rule.field, rule.required, (value) => value <= rule.max);
    case "param_min":
      return numberCheck(rule.field, rule.required, (value) => value >= rule.min);
    case "max_actions_per_session":
      return (_context, session) => session === undefined || session.actionCount <= rule.max;
    case "max_session_age":
      return (_context, session, nowMs) => sessionAgeSeconds(session, nowMs) <= rule.maxSeconds;
    case "allowed_actions": {
      const names = new Set(rule.actions);
      return ({ action }) => names.has(action.name);
    }
    case "blocked_actions": {
      const names = new Set(rule.actions);
      return ({ action }) => !names.has(action.name);
    }
    case "custom":
      return (context, session, nowMs) => askCustom(rule.check, context, session, nowMs);
  }
}

function numberCheck(field: string, required: boolean, holds: (value: number) => boolean): InvariantCheck {
  return ({ action }) => {
    const value = action.params.get(field);
    if (value === undefined) return !required;
    return typeof value === "number" && Number.isFinite(value) && holds(value);
  };
}

function askCustom(
  check: InvariantCheck,
  context: ActionContext,
  session: Session | undefined,
  nowMs: number,
): boolean {
  try {
    const answer: unknown = check(context, session, nowMs);
    // A promise is no answer. Its rejection is nobody's to handle, and unhandled it could end the process.
    if (answer instanceof Promise) answer.catch(() => undefined);
    return answer === true;
  } catch {
    return false;
  }
}
