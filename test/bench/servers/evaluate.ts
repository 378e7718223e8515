/**
 * Evaluate before a gate without a signer, made of the rooms a gate-node is made of: gate-node itself always signs, and a
 * service can be imported by nobody. Both unsigned servers call this one function.
 */
import { readFileSync } from "node:fs";
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  type EvaluateRequest,
  type EvaluateResponse,
  EvaluateResponseSchema,
  PermitSchema,
  RefusalSchema,
  RefuseCode,
} from "@kavach/api";
import { randomBytes, sha256 } from "@kavach/crypto";
import { compileGateRules, loadPolicySet } from "@kavach/engine";
import { Conductor, type Decision, EmbeddedView, gateMetrics, Outbox, PolicyBook } from "@kavach/gate";
import { DEFAULT_REALM, InputError, uuidFromRandom } from "@kavach/model";
import { openTelemetry } from "@kavach/service";
import { MemoryRevocationLog, MemoryStore } from "@kavach/store";
import { SYSTEM_CLOCK } from "@kavach/system";
import { contextFromWire, revisionToWire } from "@kavach/wire";

export type Evaluate = (request: EvaluateRequest) => EvaluateResponse | Promise<EvaluateResponse>;

export async function openEvaluate(policyFile: string): Promise<Evaluate> {
  const conductor = await openConductor(policyFile);
  return (request) => {
    const decision = conductor.decideSoon({
      realm: request.realm === "" ? DEFAULT_REALM : request.realm,
      evaluationId: request.evaluationId === "" ? uuidFromRandom(randomBytes(16)) : request.evaluationId,
      context: contextOf(request),
      audience: request.audience,
      singleUse: request.singleUse,
    });
    return decision instanceof Promise ? decision.then(writeDecision) : writeDecision(decision);
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

function contextOf({ context }: EvaluateRequest) {
  if (context === undefined) throw new InputError([{ field: "context", reason: "is required" }]);
  return contextFromWire(context, "context", SYSTEM_CLOCK.nowMs());
}

function writeDecision(decision: Decision): EvaluateResponse {
  return create(EvaluateResponseSchema, {
    verdict: writeVerdict(decision.verdict),
    evaluationId: decision.evaluationId,
    policyDigest: decision.policyDigest,
    policyName: decision.policyName ?? "",
    revision: revisionToWire(decision.revision),
  });
}

function writeVerdict(verdict: Decision["verdict"]) {
  if (verdict.kind === "permit") {
    const { tokenId, issuedAtMs, expiresAtMs } = verdict.permit;
    const times = { issuedAt: timestampFromMs(issuedAtMs), expiresAt: timestampFromMs(expiresAtMs) };
    return { case: "permit", value: create(PermitSchema, { tokenId, ...times }) } as const;
  }
  // The request of a benchmark revokes nothing; whoever asks for something else learns that it was not permitted.
  if (verdict.kind === "invalidate") return { case: undefined };
  const { code, evaluator, reason } = verdict;
  return { case: "refuse", value: create(RefusalSchema, { code: RefuseCode[code], evaluator, reason }) } as const;
}
