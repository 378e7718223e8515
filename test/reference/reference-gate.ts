/**
 * The judge: one gate, evaluated in the slowest and most obvious way, rule by rule of the contract. It shares no code with the
 * engine, keeps every call it ever counted in one list, and looks at every policy for every call.
 */
import type { ActionContext, ParamValue } from "@kavach/model";
import { ageOf, judgeDrift } from "./drift.ts";
import { judgeInvariants } from "./invariants.ts";
import type {
  ReferenceAnswer,
  ReferenceCondition,
  ReferenceOptions,
  ReferencePolicy,
  ReferenceSource,
} from "./source.ts";
import { isInWindow, matches, secondsOf } from "./texts.ts";

/** One counted call. */
interface Entry {
  readonly principalId: string;
  readonly actionName: string;
  readonly count: string;
  readonly atUs: number;
}

interface Limit {
  readonly max: number;
  readonly window: string;
  readonly count?: string;
}

export class ReferenceGate {
  readonly #policies: readonly ReferencePolicy[];
  readonly #options: ReferenceOptions;
  readonly #entries: Entry[] = [];

  /** A source that loads; what does not load has no evaluation. */
  constructor(source: ReferenceSource, options: ReferenceOptions = {}) {
    const written = source.policies ?? source.policy ?? [];
    const priorityOf = (policy: ReferencePolicy) => policy.priority ?? 100;
    this.#policies = written
      .map((policy, position) => ({ policy, position }))
      .sort((a, b) => priorityOf(a.policy) - priorityOf(b.policy) || a.position - b.position)
      .map(({ policy }) => policy);
    this.#options = options;
  }

  evaluate(context: ActionContext, nowMs: number): ReferenceAnswer {
    const policy = this.#judgePolicies(context, nowMs);
    if (policy.kind !== "permit") return policy;
    return judgeDrift(context, this.#options, nowMs) ?? judgeInvariants(context, this.#options, nowMs) ?? policy;
  }

  #judgePolicies(context: ActionContext, nowMs: number): ReferenceAnswer {
    const nowUs = Math.floor(nowMs * 1000);
    this.#countAttempt(context, nowUs);
    const exceeded: { policyName: string; retryAfterUs: number }[] = [];
    for (const policy of this.#policies) {
      const { name: policyName, effect } = policy;
      if (!policy.conditions.every((condition) => holds(condition, effect, context, nowMs))) continue;
      if (effect === "refuse") {
        const reason = `denied by policy '${policyName}'`;
        return { kind: "refuse", code: "POLICY_DENIED", evaluator: "policy", reason, policyName };
      }
      const limits = limitsOf(policy);
      const retryAfterUs = Math.max(0, ...limits.map((limit) => this.#waitUs(limit, context, nowUs)));
      if (retryAfterUs === 0) {
        if (limits.some((limit) => modeOf(limit) === "admissions")) this.#count(context, "admissions", nowUs);
        return { kind: "permit", policyName };
      }
      exceeded.push({ policyName, retryAfterUs });
    }
    const [first] = exceeded;
    if (first === undefined) {
      const reason = `no policy permits '${context.action.name}' for principal '${context.principal.id}'`;
      return { kind: "refuse", code: "NO_POLICY_MATCH", evaluator: "policy", reason };
    }
    const { policyName } = first;
    const reason = `rate limit of policy '${policyName}' exceeded`;
    const retryAfterMs = Math.ceil(Math.min(...exceeded.map((one) => one.retryAfterUs)) / 1000);
    return { kind: "refuse", code: "RATE_LIMIT_EXCEEDED", evaluator: "policy", reason, policyName, retryAfterMs };
  }

  /** One entry for each evaluation of an action that the pattern of a policy which counts attempts matches. */
  #countAttempt(context: ActionContext, nowUs: number): void {
    const counts = this.#policies.some(
      (policy) =>
        limitsOf(policy).some((limit) => modeOf(limit) === "attempts") &&
        policy.conditions.every(({ action }) => action === undefined || matches(String(action), context.action.name)),
    );
    if (counts) this.#count(context, "attempts", nowUs);
  }

  #count({ principal, action }: ActionContext, count: string, atUs: number): void {
    this.#entries.push({ principalId: principal.id, actionName: action.name, count, atUs });
  }

  /** 0 where this call keeps within the limit; else how long until one would. */
  #waitUs(limit: Limit, { principal, action }: ActionContext, nowUs: number): number {
    const windowUs = secondsOf(limit.window) * 1_000_000;
    const count = modeOf(limit);
    const times = this.#entries
      .filter(
        (entry) => entry.principalId === principal.id && entry.actionName === action.name && entry.count === count,
      )
      .map((entry) => entry.atUs);
    const within = (atUs: number, calls: readonly number[]) => calls.filter((time) => time > atUs - windowUs).length;
    // An attempt is in the list already, an admission is not.
    const own = count === "attempts" ? 0 : 1;
    if (within(nowUs, times) + own <= limit.max) return 0;
    // A place is free when a later call, counted with those before it, keeps within the limit.
    const leaving = times.map((time) => time + windowUs).filter((atUs) => atUs > nowUs);
    const free = leaving.sort((a, b) => a - b).find((atUs) => within(atUs, times) + 1 <= limit.max);
    return (free ?? Number.NaN) - nowUs;
  }
}

function limitsOf({ conditions }: ReferencePolicy): Limit[] {
  return conditions.flatMap((condition) => ("rate_limit" in condition ? [condition.rate_limit as Limit] : []));
}

function modeOf(limit: Limit): string {
  return limit.count ?? "admissions";
}

/** Of limits nothing is said here. */
function holds(condition: ReferenceCondition, effect: string, context: ActionContext, nowMs: number): boolean {
  const [[kind, operand]] = Object.entries(condition) as [[string, unknown]];
  const { principal, action, session } = context;
  switch (kind) {
    case "identity_kind":
      return principal.kind === operand;
    case "identity_role":
      return principal.roles.some((role) => role === operand);
    case "identity_id":
      return principal.id === operand;
    case "action":
      return matches(operand as string, action.name);
    case "resource":
      return action.resource !== undefined && matches(operand as string, action.resource);
    case "param_max":
    case "param_min":
    case "param_in":
      return paramHolds(kind, operand as ParamOperand, effect, action.params);
    case "session_age_max":
      return ageOf(session, nowMs) <= secondsOf(operand as string);
    case "time_window":
      return isInWindow(operand as string, nowMs);
    case "rate_limit":
      return true;
    default:
      throw new Error(`unknown condition ${kind}`);
  }
}

interface ParamOperand {
  readonly field: string;
  readonly max?: number;
  readonly min?: number;
  readonly values?: readonly string[];
}

function paramHolds(
  kind: string,
  { field, max = 0, min = 0, values = [] }: ParamOperand,
  effect: string,
  params: ReadonlyMap<string, ParamValue>,
): boolean {
  const value = params.get(field);
  if (value === undefined) return false;
  const wanted = kind === "param_in" ? "string" : "number";
  // A wrong type is an error: it permits nothing, and what is refused stays refused.
  if (typeof value !== wanted) return effect === "refuse";
  if (kind === "param_in") return values.some((known) => known === value);
  return kind === "param_max" ? (value as number) <= max : (value as number) >= min;
}
