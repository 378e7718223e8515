/** Plan: what can be said about an action before any counter or stored session is asked. */
import type { ActionContext, Finding, RefuseFinding, Session } from "@kavach/model";
import type { CompiledPolicy, PolicySet, RateLimit } from "./policy-set.ts";
import { sessionAgeSeconds } from "./session-age.ts";

/** A policy that decides if its limits and its session bound hold; in the shape that a store's `admit` takes. */
export interface PlannedCandidate {
  readonly effect: "permit" | "refuse";
  readonly limits: readonly RateLimit[];
  /** A stored session must have started at or after this instant, Unix ms. */
  readonly oldestSessionStartMs?: number;
  /** Position in `PolicySet.policies`. */
  readonly position: number;
  readonly policyName: string;
}

export type Plan =
  /** Nothing that a store knows could change it. */
  | { readonly kind: "finding"; readonly finding: Finding }
  | {
      readonly kind: "candidates";
      /** In order; the first that holds decides. Ends with the first that holds for certain. */
      readonly candidates: readonly PlannedCandidate[];
      /** This evaluation is one entry of the attempts log, whatever comes of it. */
      readonly countAttempt: boolean;
      /** False: no limit, no attempt, no stored session; the first candidate holds. */
      readonly needsStore: boolean;
    };

export interface PlanOptions {
  /** The store's record of the session counts, not the caller's word: bounds on its age are left to the store. */
  readonly storedSession: boolean;
}

/** Pure. `nowMs`: the decision's one instant, Unix ms, fractions allowed. */
export function plan(set: PolicySet, context: ActionContext, nowMs: number, options: PlanOptions): Plan {
  const countAttempt = set.countsAttempt(context);
  const candidates: PlannedCandidate[] = [];
  let needsStore = options.storedSession || countAttempt;
  const walk = set.index.walk(context);
  for (let position = walk.next(); position >= 0; position = walk.next()) {
    const policy = set.policies[position] as CompiledPolicy;
    if (!mayHold(policy, context, nowMs, options.storedSession)) continue;
    const candidate = candidateOf(policy, position, nowMs, options.storedSession);
    const certain = candidate.limits.length === 0 && candidate.oldestSessionStartMs === undefined;
    if (certain && candidates.length === 0 && !countAttempt && policy.outcome.kind === "refuse") {
      return { kind: "finding", finding: policy.outcome };
    }
    candidates.push(candidate);
    needsStore ||= !certain;
    if (certain) break;
  }
  if (candidates.length === 0 && !countAttempt) return { kind: "finding", finding: noPolicyMatch(context) };
  return { kind: "candidates", candidates, countAttempt, needsStore };
}

export function noPolicyMatch({ action, principal }: ActionContext): RefuseFinding {
  const reason = `no policy permits '${action.name}' for principal '${principal.id}'`;
  return { kind: "refuse", code: "NO_POLICY_MATCH", evaluator: "policy", reason };
}

function mayHold(policy: CompiledPolicy, context: ActionContext, nowMs: number, storedSession: boolean): boolean {
  for (const test of policy.tests) if (!test(context, nowMs)) return false;
  if (policy.sessionAgeMaxSeconds === undefined || storedSession) return true;
  return sessionAgeSeconds(context.session, nowMs) <= policy.sessionAgeMaxSeconds;
}

function candidateOf(
  policy: CompiledPolicy,
  position: number,
  nowMs: number,
  storedSession: boolean,
): PlannedCandidate {
  const { effect, limits, name: policyName, sessionAgeMaxSeconds } = policy;
  if (sessionAgeMaxSeconds === undefined || !storedSession) return { effect, limits, position, policyName };
  return { effect, limits, position, policyName, oldestSessionStartMs: oldestStartMs(nowMs, sessionAgeMaxSeconds) };
}

/** The first whole millisecond at which a session can have started and still not be a whole second too old. */
function oldestStartMs(nowMs: number, ageMaxSeconds: number): number {
  return Math.floor(nowMs - (ageMaxSeconds + 1) * 1000) + 1;
}

export interface Facts {
  /** The store's instant, Unix ms. */
  readonly nowMs: number;
  /** Which candidate held; undefined: none. */
  readonly candidate: number | undefined;
  /** Permit candidates before it that only their limits kept from holding, in order. */
  readonly exceeded: readonly { readonly candidate: number; readonly retryAfterMs: number }[];
  /** The session's facts that count: the store's record, or the caller's word. */
  readonly session?: Session;
}
