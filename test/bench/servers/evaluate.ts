/**
 * Evaluate before a gate without a signer, made of the rooms a gate-node is made of: gate-node itself always signs, and a
 * service can be imported by nobody. Both unsigned servers call this one function.
 */
import { readFileSync } from "node:fs";
import { randomBytes, sha256 } from "@kavach/crypto";
import { compileGateRules, loadPolicySet } from "@kavach/engine";
import { Conductor, EmbeddedView, gateMetrics, Outbox, PolicyBook } from "@kavach/gate";
import { openTelemetry } from "@kavach/service";
import { MemoryRevocationLog, MemoryStore } from "@kavach/store";
import { drawUuid, SYSTEM_CLOCK } from "@kavach/system";
import { readRequestBytes, writeDecisionBytes } from "@kavach/wire";

export type Evaluate = (request: Uint8Array, headroom: number) => Uint8Array | Promise<Uint8Array>;

/** From the bytes of a request to those of the answer, as gate-node does it. */
export async function openEvaluate(policyFile: string): Promise<Evaluate> {
  const gate = await openConductor(policyFile);
  const world = { clock: SYSTEM_CLOCK, drawUuid };
  return (bytes, headroom) => {
    const request = readRequestBytes(bytes, world);
    if (request === undefined) throw new Error("the benchmark asks with requests of the usual form");
    const decision = gate.decideSoon(request);
    return decision instanceof Promise
      ? decision.then((decided) => writeDecisionBytes(decided, headroom))
      : writeDecisionBytes(decision, headroom);
  };
}

async function openConductor(policyFile: string): Promise<Conductor> {
  const clock = SYSTEM_CLOCK;
  openTelemetry("kavach-bench", "bench");
  const source = { format: "toml", text: readFileSync(policyFile, "utf8"), file: policyFile } as const;
  const set = loadPolicySet(source, sha256);
  const rules = compileGateRules({
    invariants: [{ kind: "param_max", name: "hard_cap", field: "amount", max: 50_000 }],
  });
  const revocations = await EmbeddedView.open(new MemoryRevocationLog(clock), clock);
  const report = (error: unknown, what: string) => console.error(what, error);
  return new Conductor({
    policies: new PolicyBook({ set, rules }, new Map()),
    store: new MemoryStore(clock),
    revocations,
    outbox: new Outbox({
      publish: (realm, scope, key) => revocations.publish(realm, scope, key),
      waitMs: 250,
      retryMs: 500,
      onFailure: (error) => report(error, "publish failed"),
    }),
    signer: undefined,
    audit: { sink: undefined, mode: "best_effort" },
    evaluators: [],
    clock,
    random: randomBytes,
    metrics: gateMetrics(),
    session: { mode: "inline", lifetimeMs: 86_400_000 },
    permitTtlMs: 30_000,
    singleUse: "on_request",
    observeOnly: false,
    report,
  });
}
