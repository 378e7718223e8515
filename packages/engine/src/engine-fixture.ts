/** Builders for this package's tests: contexts, sets and decisions in one line. */
import type { ActionContext, Finding, ParamValue, Session } from "@kavach/model";
import { decide } from "./decide.ts";
import { compileGateRules, type GateRuleOptions } from "./gate-rules.ts";
import { type Plan, plan } from "./plan.ts";
import { loadPolicySet, type PolicySet, type Sha256 } from "./policy-set.ts";

/** 2026-06-15T12:00:00Z, a Monday. */
export const NOON_MS = Date.UTC(2026, 5, 15, 12);

/** No digest, but as wide as one. Tests of the digest look at the bytes instead. */
export const noDigest: Sha256 = (bytes) => bytes.slice(0, 32);

export interface ContextParts {
  readonly id?: string;
  readonly kind?: ActionContext["principal"]["kind"];
  readonly roles?: readonly string[];
  readonly action?: string;
  readonly resource?: string;
  readonly params?: Readonly<Record<string, ParamValue>>;
  readonly session?: Partial<Session>;
  readonly environment?: ActionContext["environment"];
}

export function contextOf(parts: ContextParts = {}): ActionContext {
  const {
    id = "u1",
    kind = "user",
    roles = [],
    action = "act",
    resource,
    params = {},
    session,
    environment = {},
  } = parts;
  return {
    principal: { id, kind, roles },
    action: { name: action, params: new Map(Object.entries(params)), ...(resource !== undefined && { resource }) },
    ...(session !== undefined && { session: { id: "s1", startedAtMs: NOON_MS, actionCount: 0, ...session } }),
    environment,
  };
}

export function setOf(...policies: readonly unknown[]): PolicySet {
  return loadPolicySet({ format: "object", value: { policies } }, noDigest);
}

/** One policy named `p`. */
export function permit(...conditions: readonly unknown[]): unknown {
  return { name: "p", effect: "permit", conditions };
}

export function refuse(...conditions: readonly unknown[]): unknown {
  return { name: "r", effect: "refuse", conditions };
}

export function candidatesOf(planned: Plan): Extract<Plan, { kind: "candidates" }> {
  if (planned.kind !== "candidates") throw new Error(`planned ${JSON.stringify(planned)}`);
  return planned;
}

/** Plans and decides as if every limit had room. */
export function judge(set: PolicySet, context: ActionContext, options: GateRuleOptions = {}, nowMs = NOON_MS): Finding {
  const planned = plan(set, context, nowMs, { storedSession: false });
  if (planned.kind === "finding") return planned.finding;
  const candidate = planned.candidates.length > 0 ? 0 : undefined;
  const session = context.session === undefined ? {} : { session: context.session };
  return decide(set, compileGateRules(options), context, planned, { nowMs, candidate, exceeded: [], ...session });
}

/** `pass`, a refuse code, or `invalidate`. */
export function answerOf(finding: Finding): string {
  return finding.kind === "refuse" ? finding.code : finding.kind;
}
