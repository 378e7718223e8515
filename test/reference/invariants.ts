/** The invariants, row by row of their table. */
import type { ActionContext } from "@kavach/model";
import { ageOf } from "./drift.ts";
import type { ReferenceAnswer, ReferenceInvariant, ReferenceOptions } from "./source.ts";
import { plain, secondsOf } from "./texts.ts";

type Named = Exclude<ReferenceInvariant, readonly [string, string, number]>;

export function judgeInvariants(
  context: ActionContext,
  options: ReferenceOptions,
  nowMs: number,
): ReferenceAnswer | undefined {
  const all = (options.invariants ?? []).map(asNamed);
  const last = options.maxSessionActions;
  if (last !== undefined) all.push({ kind: "max_actions_per_session", name: "max_session_actions", max: last });
  for (const invariant of all) {
    const description = violation(invariant, context, nowMs);
    if (description === undefined) continue;
    const reason = `invariant '${invariant.name}' violated: ${description}`;
    return { kind: "refuse", code: "INVARIANT_VIOLATION", evaluator: "invariants", reason };
  }
  return undefined;
}

function asNamed(invariant: ReferenceInvariant): Named {
  if (!isTuple(invariant)) return invariant;
  const [name, field, max] = invariant;
  return { kind: "param_max", name, field, max };
}

function isTuple(invariant: ReferenceInvariant): invariant is readonly [string, string, number] {
  return Array.isArray(invariant);
}

/** The description of what fails; nothing where it holds. */
function violation(invariant: Named, { action, session }: ActionContext, nowMs: number): string | undefined {
  const { kind, field = "", max = 0, min = 0, required = false, actions = [] } = invariant;
  const value = action.params.get(field);
  switch (kind) {
    case "param_max":
      if (value === undefined ? !required : typeof value === "number" && value <= Number(max)) return undefined;
      return `parameter '${field}' must be at most ${plain(Number(max))}`;
    case "param_min":
      if (value === undefined ? !required : typeof value === "number" && value >= min) return undefined;
      return `parameter '${field}' must be at least ${plain(min)}`;
    case "max_actions_per_session":
      return session !== undefined && session.actionCount > Number(max)
        ? `maximum ${plain(Number(max))} actions per session`
        : undefined;
    case "max_session_age": {
      const seconds = secondsOf(String(max));
      return ageOf(session, nowMs) > seconds ? `maximum session age: ${plain(seconds)}s` : undefined;
    }
    case "allowed_actions":
      return actions.includes(action.name) ? undefined : actions.join(", ");
    case "blocked_actions":
      return actions.includes(action.name) ? actions.join(", ") : undefined;
    default:
      throw new Error(`unknown invariant ${kind}`);
  }
}
