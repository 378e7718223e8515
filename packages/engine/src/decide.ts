/** Decide: the finding of one evaluation, once the store has said what it knows. Pure. */
import { type ActionContext, Bug, type Finding, type RefuseFinding } from "@kavach/model";
import { judgeDrift } from "./drift.ts";
import type { GateRules } from "./gate-rules.ts";
import { judgeInvariants } from "./invariants.ts";
import { type Facts, noPolicyMatch, type Plan, type PlannedCandidate } from "./plan.ts";
import type { CompiledPolicy, PolicySet } from "./policy-set.ts";

type Candidates = Extract<Plan, { kind: "candidates" }>;

/** Policy, then drift, then invariants; the first that does not pass ends it. Throws `Bug` for facts that do not fit the plan. */
export function decide(
  set: PolicySet,
  rules: GateRules,
  context: ActionContext,
  planned: Candidates,
  facts: Facts,
): Finding {
  const outcome = policyOutcome(set, context, planned, facts);
  if (outcome.kind !== "pass") return outcome;
  const { session, nowMs } = facts;
  const drifted = rules.drift === undefined ? undefined : judgeDrift(rules.drift, context, session, nowMs);
  return drifted ?? judgeInvariants(rules.invariants, context, session, nowMs) ?? outcome;
}

function policyOutcome(set: PolicySet, context: ActionContext, planned: Candidates, facts: Facts): Finding {
  if (facts.candidate !== undefined) return policyOf(set, candidateAt(planned, facts.candidate)).outcome;
  const [first] = facts.exceeded;
  if (first === undefined) return noPolicyMatch(context);
  return limitExceeded(candidateAt(planned, first.candidate).policyName, facts);
}

/** Names the first policy whose limit was in the way; a place may come free sooner at another. */
function limitExceeded(policyName: string, facts: Facts): RefuseFinding {
  let retryAfterMs = Number.POSITIVE_INFINITY;
  for (const exceeded of facts.exceeded) retryAfterMs = Math.min(retryAfterMs, exceeded.retryAfterMs);
  const reason = `rate limit of policy '${policyName}' exceeded`;
  return { kind: "refuse", code: "RATE_LIMIT_EXCEEDED", evaluator: "policy", reason, policyName, retryAfterMs };
}

function candidateAt(planned: Candidates, index: number): PlannedCandidate {
  const candidate = planned.candidates[index];
  if (candidate === undefined) throw new Bug(`no candidate ${index}`);
  return candidate;
}

function policyOf(set: PolicySet, candidate: PlannedCandidate): CompiledPolicy {
  const policy = set.policies[candidate.position];
  if (policy?.name !== candidate.policyName)
    throw new Bug(`candidate of another policy set: '${candidate.policyName}'`);
  return policy;
}
