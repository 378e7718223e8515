/** From checked policies to a compiled set: ordered, indexed, with a digest. Knows no policy that was not fully checked. */
import { type ActionContext, canonicalJson, type PassFinding, type RefuseFinding } from "@kavach/model";
import { compileTest, type Effect, type Test } from "./conditions.ts";
import { type Pattern, parsePattern, patternMatches } from "./pattern.ts";
import { PolicyIndex } from "./policy-index.ts";
import { type PolicySource, readPolicies } from "./policy-reader.ts";
import type { Condition, Policy } from "./policy-schema.ts";

export type Sha256 = (bytes: Uint8Array) => Uint8Array;

export interface RateLimit {
  /** 1 to 4294967295. */
  readonly max: number;
  readonly windowMs: number;
  readonly count: "admissions" | "attempts";
}

export interface CompiledPolicy {
  readonly name: string;
  readonly effect: Effect;
  readonly priority: number;
  readonly description?: string;
  readonly conditions: readonly Condition[];
  /** All of them must hold; limits and session age are apart. */
  readonly tests: readonly Test[];
  readonly limits: readonly RateLimit[];
  /** Whole seconds: the shortest of the policy's bounds. */
  readonly sessionAgeMaxSeconds?: number;
  /** What it says when it decides; made once. */
  readonly outcome: PassFinding | RefuseFinding;
}

export interface PolicySet {
  /** SHA-256 of the set's canonical JSON (RFC 8785), lower hex. Equal sets have equal digests, however they were written. */
  readonly digest: string;
  /** In the order of evaluation. */
  readonly policies: readonly CompiledPolicy[];
  readonly index: PolicyIndex;
  /** The longest window of any rate limit in it, milliseconds; 0 without one. Counted calls must be kept as long. */
  readonly longestWindowMs: number;
  /** Every rate limit in it. */
  readonly limits: readonly RateLimit[];
  /** True when an evaluation of this action counts as an attempt, whatever comes of it. */
  countsAttempt(context: ActionContext): boolean;
}

/** Compiles a policy set. Throws `PolicyError` with every fault. An empty source is valid and refuses everything. */
export function loadPolicySet(source: PolicySource, sha256: Sha256): PolicySet {
  const policies = readPolicies(source).policies.toSorted((a, b) => a.priority - b.priority);
  const compiled = policies.map(compilePolicy);
  const limits = compiled.flatMap((policy) => policy.limits);
  const canonical = canonicalJson({ policies: policies.map(normalised) });
  return Object.freeze({
    digest: hex(sha256(new TextEncoder().encode(canonical))),
    policies: Object.freeze(compiled),
    index: new PolicyIndex(policies.map((policy) => policy.conditions)),
    longestWindowMs: longestWindowMs(limits),
    limits: Object.freeze(limits),
    countsAttempt: attemptCounter(compiled),
  });
}

function compilePolicy(policy: Policy): CompiledPolicy {
  const { name, effect, priority, description, conditions } = policy;
  const tests: Test[] = [];
  const limits: RateLimit[] = [];
  let sessionAgeMaxSeconds: number | undefined;
  for (const condition of conditions) {
    if (condition.kind === "rate_limit") {
      const { max, window, count } = condition.operand;
      limits.push(Object.freeze({ max, windowMs: window * 1000, count }));
    } else if (condition.kind === "session_age_max") {
      sessionAgeMaxSeconds = Math.min(sessionAgeMaxSeconds ?? Number.POSITIVE_INFINITY, condition.operand);
    } else tests.push(compileTest(condition, effect));
  }
  return Object.freeze({
    name,
    effect,
    priority,
    ...(description !== undefined && { description }),
    conditions,
    tests,
    limits: Object.freeze(limits),
    ...(sessionAgeMaxSeconds !== undefined && { sessionAgeMaxSeconds }),
    outcome: outcomeOf(name, effect, limits.length > 0),
  });
}

function outcomeOf(name: string, effect: Effect, limited: boolean): PassFinding | RefuseFinding {
  if (effect === "permit") return Object.freeze({ kind: "pass", policyName: name, limited });
  const reason = `denied by policy '${name}'`;
  return Object.freeze({ kind: "refuse", code: "POLICY_DENIED", evaluator: "policy", reason, policyName: name });
}

/** An attempt is an evaluation of an action that the pattern of a policy which counts attempts matches. */
function attemptCounter(policies: readonly CompiledPolicy[]): (context: ActionContext) => boolean {
  const exact = new Set<string>();
  const others: (readonly Pattern[])[] = [];
  for (const { limits, conditions } of policies) {
    if (!limits.some((limit) => limit.count === "attempts")) continue;
    const patterns = conditions.flatMap((condition) =>
      condition.kind === "action" ? [parsePattern(condition.operand)] : [],
    );
    const [only] = patterns;
    if (only?.kind === "exact" && patterns.length === 1) exact.add(only.text);
    else others.push(patterns);
  }
  return ({ action }) =>
    exact.has(action.name) ||
    others.some((patterns) => patterns.every((pattern) => patternMatches(pattern, action.name)));
}

/** A policy with its defaults written out and its durations and windows spelt in one way. */
function normalised(policy: Policy): unknown {
  const { name, effect, priority, description, conditions } = policy;
  return {
    name,
    effect,
    priority,
    ...(description !== undefined && { description }),
    conditions: conditions.map((condition) => ({ [condition.kind]: normalisedOperand(condition) })),
  };
}

/** An operand in its one spelling. */
export function normalisedOperand(condition: Condition): unknown {
  if (condition.kind === "rate_limit") return { ...condition.operand, window: `${condition.operand.window}s` };
  if (condition.kind === "session_age_max") return `${condition.operand}s`;
  if (condition.kind === "time_window") return condition.operand.text;
  return condition.operand;
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function longestWindowMs(limits: readonly RateLimit[]): number {
  return limits.reduce((longest, { windowMs }) => Math.max(longest, windowMs), 0);
}
