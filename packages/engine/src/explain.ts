/** Explains a decision: every policy with the condition that kept it from holding, every detector's signal, every invariant. Pure, and counts nothing. */
import type { ActionContext, Finding, Session } from "@kavach/model";
import type { Effect } from "./conditions.ts";
import { decide } from "./decide.ts";
import { type DriftSignal, driftSignals } from "./drift.ts";
import type { GateRules } from "./gate-rules.ts";
import { plan } from "./plan.ts";
import type { Condition } from "./policy-schema.ts";
import { type CompiledPolicy, normalisedOperand, type PolicySet } from "./policy-set.ts";
import { sessionAgeSeconds } from "./session-age.ts";

export interface ConditionExplanation {
  /** In the spelling of the policy language, such as `{ param_max: { field: "amount", max: 1000 } }`. */
  readonly condition: Readonly<Record<string, unknown>>;
  /** `counted`: a rate limit; whether it holds only its counter knows, and asking would count. */
  readonly holds: boolean | "counted";
}

export interface PolicyExplanation {
  readonly name: string;
  readonly effect: Effect;
  readonly priority: number;
  /** `within_limits`: it holds while its rate limits have a place. */
  readonly outcome: "holds" | "within_limits" | "fails";
  readonly conditions: readonly ConditionExplanation[];
  /** The first condition that does not hold. */
  readonly failed?: ConditionExplanation;
}

export interface InvariantExplanation {
  readonly name: string;
  readonly holds: boolean;
  /** What a refusal would say. */
  readonly reason?: string;
}

export interface Explanation {
  /** In the order of evaluation. */
  readonly policies: readonly PolicyExplanation[];
  /** Empty where drift is switched off, or there is no session that could drift. */
  readonly drift: readonly DriftSignal[];
  readonly invariants: readonly InvariantExplanation[];
  /** What policy, drift and invariants find while every rate limit has a place. */
  readonly finding: Finding;
}

/** `nowMs`: the instant to judge at, Unix ms. The session's facts are those of the context. */
export function explain(set: PolicySet, rules: GateRules, context: ActionContext, nowMs: number): Explanation {
  const { session } = context;
  return {
    policies: set.policies.map((policy) => explainPolicy(policy, context, nowMs)),
    drift: rules.drift === undefined ? [] : driftSignals(rules.drift, context, session, nowMs),
    invariants: rules.invariants.map(({ name, holds, violation }) =>
      holds(context, session, nowMs) ? { name, holds: true } : { name, holds: false, reason: violation.reason },
    ),
    finding: findingOf(set, rules, context, session, nowMs),
  };
}

function explainPolicy(policy: CompiledPolicy, context: ActionContext, nowMs: number): PolicyExplanation {
  const { name, effect, priority } = policy;
  const tests = policy.tests.values();
  const judge = (condition: Condition): boolean | "counted" => {
    if (condition.kind === "rate_limit") return "counted";
    if (condition.kind === "session_age_max") return sessionAgeSeconds(context.session, nowMs) <= condition.operand;
    // The tests stand in the order of their conditions.
    return tests.next().value?.(context, nowMs) ?? false;
  };
  const conditions = policy.conditions.map((condition) => ({
    condition: { [condition.kind]: normalisedOperand(condition) },
    holds: judge(condition),
  }));
  const failed = conditions.find(({ holds }) => holds === false);
  const open = policy.limits.length > 0 ? "within_limits" : "holds";
  return {
    name,
    effect,
    priority,
    outcome: failed === undefined ? open : "fails",
    conditions,
    ...(failed !== undefined && { failed }),
  };
}

function findingOf(
  set: PolicySet,
  rules: GateRules,
  context: ActionContext,
  session: Session | undefined,
  nowMs: number,
): Finding {
  const planned = plan(set, context, nowMs, { storedSession: false });
  if (planned.kind === "finding") return planned.finding;
  const candidate = planned.candidates.length > 0 ? 0 : undefined;
  const facts = { nowMs, candidate, exceeded: [], ...(session !== undefined && { session }) };
  return decide(set, rules, context, planned, facts);
}
