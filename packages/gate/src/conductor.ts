/** The conductor: one decision from request to verdict. Its steps are leaves; this file only says in which order they go. */
import { decide, plan } from "@kavach/engine";
import type { Decision, DecisionRequest } from "@kavach/model";
import { type Finding, InputError } from "@kavach/model";
import { type Admitted, admit } from "./admit.ts";
import { GateError } from "./errors.ts";
import { runEvaluators } from "./evaluators.ts";
import { type DecisionExplanation, explainDecision } from "./explanation.ts";
import { Frame, sessionTarget } from "./frame.ts";
import type { GateParts } from "./parts.ts";
import { revokedFinding } from "./revoked.ts";
import { settle, withdrawIfRevoked } from "./settle.ts";
import { after, type Soon } from "./soon.ts";
import { step } from "./telemetry.ts";

export class Conductor {
  readonly #parts: GateParts;

  constructor(parts: GateParts) {
    this.#parts = parts;
  }

  /**
   * Decides. A refusal is a value; rejects only with InputError or GateError, for calls that cannot be decided. `caller` is who asks, as
   * whoever took the call has proved it, and never what the request says; it is recorded and decides nothing. Empty: nobody is known.
   */
  async evaluate(request: DecisionRequest, caller = ""): Promise<Decision> {
    return await this.decideSoon(request, caller);
  }

  /** The same, answered at once where nothing has to be waited for; throws what `evaluate` rejects with. */
  decideSoon(request: DecisionRequest, caller = ""): Soon<Decision> {
    return this.#run(request, caller, decisionAlone);
  }

  /** Why it would decide as it would. Charges nothing, mints nothing, records nothing. */
  async explain(request: DecisionRequest): Promise<DecisionExplanation> {
    return await explainDecision(this.#parts, request);
  }

  /** Decides independently of each other; answers in order. Each permit is looked at once more when the last answer is there. */
  async evaluateAll(requests: readonly DecisionRequest[], caller = ""): Promise<Decision[]> {
    const results = await Promise.all(requests.map(async (request) => await this.#run(request, caller, bothOf)));
    return results.map(({ frame, decision }) => withdrawIfRevoked(this.#parts, frame, decision));
  }

  #run<T>(request: DecisionRequest, caller: string, take: (decision: Decision, frame: Frame) => T): Soon<T> {
    const { revocations, clock } = this.#parts;
    const startedMs = clock.monotonicMs();
    if (request.atLeast === undefined) return this.#decideNow(request, caller, startedMs, take);
    return revocations.reach(request.atLeast).then((reached) => {
      if (reached) return this.#decideNow(request, caller, startedMs, take);
      throw new GateError("REVISION_NOT_REACHED", "at_least lies beyond the head of the revocation log");
    });
  }

  #decideNow<T>(
    request: DecisionRequest,
    caller: string,
    startedMs: number,
    take: (decision: Decision, frame: Frame) => T,
  ): Soon<T> {
    const parts = this.#parts;
    const frame = new Frame(parts, request, caller);
    const decided = after(this.#judge(frame), (finding) => step("settle", () => settle(parts, frame, finding)));
    return after(decided, (decision) => {
      parts.metrics.verdict(decision, parts.clock.monotonicMs() - startedMs);
      return take(decision, frame);
    });
  }

  #judge(frame: Frame): Soon<Finding> {
    const parts = this.#parts;
    const revoked = revokedFinding(parts.revocations, frame);
    if (revoked !== undefined) return revoked;
    try {
      const planned = step("plan", () => plan(frame.set, frame.context, frame.nowMs, { storedSession: frame.stored }));
      const admitted = step("admit", () => admit(parts, frame, planned));
      const found = after(admitted, (known) => this.#decide(frame, known));
      return found instanceof Promise ? found.catch((error: unknown) => this.#failed(error)) : found;
    } catch (error) {
      return this.#failed(error);
    }
  }

  #decide(frame: Frame, admitted: Admitted): Soon<Finding> {
    if (admitted.kind !== "admitted") return admitted.finding;
    const { planned, facts } = admitted;
    const finding = step("decide", () => decide(frame.set, frame.rules, frame.context, planned, facts));
    if (finding.kind !== "pass" || this.#parts.evaluators.length === 0) return finding;
    return runEvaluators(this.#parts.evaluators, frame.context, finding, sessionTarget(frame));
  }

  /** Nothing fails open: what nobody foresaw is a refusal. */
  #failed(error: unknown): Finding {
    if (error instanceof InputError) throw error;
    this.#parts.report(error, "decision failed");
    return { kind: "refuse", code: "POLICY_DENIED", evaluator: "policy", reason: "evaluator 'policy' failed" };
  }
}

const decisionAlone = (decision: Decision) => decision;
const bothOf = (decision: Decision, frame: Frame) => ({ decision, frame });
