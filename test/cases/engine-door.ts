/** The cases on the engine alone, with facts from one plain list of calls; and on the judge. */
import {
  compileGateRules,
  decide,
  type Facts,
  type GateRules,
  loadPolicySet,
  type Plan,
  type PolicySet,
  plan,
} from "@kavach/engine";
import type { ActionContext, Finding } from "@kavach/model";
import { ReferenceGate } from "../reference/reference-gate.ts";
import type { ReferenceOptions, ReferenceSource } from "../reference/source.ts";
import type { Answer } from "./answers.ts";
import type { Case } from "./case-files.ts";
import { contextOf } from "./contexts.ts";

/** 2026-06-15T12:00:00Z. */
const NOON_MS = Date.UTC(2026, 5, 15, 12);

/** Judges the earlier calls, each when it was made, and then the case's own. */
function atEachCall<T>(one: Case, judge: (context: ActionContext, nowMs: number) => T): T {
  const nowMs = one.nowMs ?? NOON_MS;
  for (const { ask, times, secondsAgo } of one.before) {
    const thenMs = nowMs - secondsAgo * 1000;
    for (let i = 0; i < times; i++) judge(contextOf(ask, thenMs), thenMs);
  }
  return judge(contextOf(one.ask, nowMs), nowMs);
}

export function askEngine(one: Case): Answer {
  try {
    const set = loadPolicySet(one.source, (bytes) => bytes.slice(0, 32));
    const { observeOnly: _, ...options } = one.options;
    const rules = compileGateRules(options as Parameters<typeof compileGateRules>[0]);
    const calls: CountedCall[] = [];
    return answerOf(atEachCall(one, (context, nowMs) => judgeCall(set, rules, calls, context, nowMs)));
  } catch (error) {
    return errorAnswer(error);
  }
}

export function askJudge(one: Case): Answer {
  const { source } = one;
  if (source.format !== "object") throw new Error(`${one.id}: the judge reads objects only`);
  const gate = new ReferenceGate(source.value as ReferenceSource, one.options as ReferenceOptions);
  return atEachCall(one, (context, nowMs) => gate.evaluate(context, nowMs));
}

interface CountedCall {
  readonly principalId: string;
  readonly actionName: string;
  readonly count: string;
  readonly atMs: number;
}

function judgeCall(
  set: PolicySet,
  rules: GateRules,
  calls: CountedCall[],
  context: ActionContext,
  nowMs: number,
): Finding {
  const planned = plan(set, context, nowMs, { storedSession: false });
  if (planned.kind === "finding") return planned.finding;
  return decide(set, rules, context, planned, factsOf(calls, context, planned, nowMs));
}

function factsOf(
  calls: CountedCall[],
  { principal, action, session }: ActionContext,
  { candidates, countAttempt }: Extract<Plan, { kind: "candidates" }>,
  nowMs: number,
): Facts {
  const count = (mode: string) =>
    calls.push({ principalId: principal.id, actionName: action.name, count: mode, atMs: nowMs });
  if (countAttempt) count("attempts");
  const facts = { nowMs, ...(session !== undefined && { session }) };
  const exceeded: { candidate: number; retryAfterMs: number }[] = [];
  for (const [candidate, { limits }] of candidates.entries()) {
    const waits = limits.map((limit) => {
      const earlier = calls.filter(
        (call) => call.principalId === principal.id && call.actionName === action.name && call.count === limit.count,
      );
      const places = limit.max - (limit.count === "attempts" ? 0 : 1);
      const within = earlier.filter(({ atMs }) => atMs > nowMs - limit.windowMs);
      if (within.length <= places) return 0;
      const leaving = within[within.length - limit.max] as CountedCall;
      return leaving.atMs + limit.windowMs - nowMs;
    });
    const retryAfterMs = Math.max(0, ...waits);
    if (retryAfterMs > 0) exceeded.push({ candidate, retryAfterMs });
    else {
      if (limits.some((limit) => limit.count === "admissions")) count("admissions");
      return { ...facts, candidate, exceeded };
    }
  }
  return { ...facts, candidate: undefined, exceeded };
}

function answerOf(finding: Finding): Answer {
  if (finding.kind === "pass") return { kind: "permit", policyName: finding.policyName };
  if (finding.kind === "refuse") return finding;
  return { kind: "invalidate", evaluator: finding.scope.evaluator, reason: finding.scope.reason };
}

const KINDS = { PolicyError: "loadError", GateOptionError: "optionError", InputError: "inputError" } as const;

interface Faulty {
  readonly name: string;
  readonly faults?: Answer["faults"];
  readonly violations?: readonly { readonly field: string; readonly reason: string }[];
}

/** Whatever is no error of the contract is thrown on. */
export function errorAnswer(error: unknown): Answer {
  const { name, faults, violations } = error as Faulty;
  const kind = KINDS[name as keyof typeof KINDS];
  if (kind === undefined) throw error;
  return { kind, faults: faults ?? violations?.map(({ field, reason }) => ({ path: field, message: reason })) ?? [] };
}
