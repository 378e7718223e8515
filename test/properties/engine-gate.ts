/** The engine and the memory twin of the store, put together as a gate puts them together. */
import { compileGateRules, decide, type Facts, type GateRules, type PolicySet, plan } from "@kavach/engine";
import type { ActionContext, Clock, Finding } from "@kavach/model";
import { MemoryStore } from "@kavach/store";
import type { ReferenceAnswer, ReferenceOptions } from "../reference/source.ts";

export class EngineGate {
  readonly #set: PolicySet;
  readonly #rules: GateRules;
  readonly #store: MemoryStore;
  #nowMs = 0;
  #calls = 0;

  constructor(set: PolicySet, options: ReferenceOptions) {
    this.#set = set;
    this.#rules = compileGateRules(options as Parameters<typeof compileGateRules>[0]);
    const clock: Clock = { nowMs: () => this.#nowMs, monotonicMs: () => this.#nowMs };
    this.#store = new MemoryStore(clock);
  }

  async evaluate(context: ActionContext, nowMs: number): Promise<ReferenceAnswer> {
    this.#nowMs = nowMs;
    const planned = plan(this.#set, context, nowMs, { storedSession: false });
    if (planned.kind === "finding") return answerOf(planned.finding);
    const session = context.session === undefined ? {} : { session: context.session };
    let facts: Facts = { nowMs, candidate: 0, exceeded: [], ...session };
    if (planned.needsStore) {
      const { candidates, countAttempt } = planned;
      const { candidate, exceeded } = await this.#admit(context, { candidates, countAttempt });
      facts = { nowMs, candidate, exceeded, ...session };
    }
    return answerOf(decide(this.#set, this.#rules, context, planned, facts));
  }

  async #admit(
    { principal, action }: ActionContext,
    asked: Pick<Parameters<MemoryStore["admit"]>[0], "candidates" | "countAttempt">,
  ) {
    const evaluationId = new Uint8Array(16);
    new DataView(evaluationId.buffer).setUint32(0, this.#calls++);
    const admitted = await this.#store.admit({
      realm: "default",
      principalId: principal.id,
      actionName: action.name,
      evaluationId,
      requestDigest: new Uint8Array(32),
      ...asked,
      memory: { issuedAtMs: 0, expiresAtMs: 0 },
      rememberMs: 1,
      ...(this.#set.longestWindowMs > 0 && { retainMs: this.#set.longestWindowMs }),
    });
    if (admitted.kind !== "admitted") throw new Error(admitted.kind);
    return admitted;
  }
}

export function answerOf(finding: Finding): ReferenceAnswer {
  if (finding.kind === "pass") return { kind: "permit", policyName: finding.policyName };
  if (finding.kind === "invalidate") {
    return { kind: "invalidate", evaluator: finding.scope.evaluator, reason: finding.scope.reason };
  }
  return finding;
}
