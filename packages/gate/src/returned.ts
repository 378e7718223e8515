/** From what the conductor decided to what a caller holds. */

import type { Decision, Outcome } from "@kavach/model";
import { InvalidateVerdict, type ObservedVerdict, PermitVerdict, RefuseVerdict, type Verdict } from "@kavach/model";

const PROPAGATIONS = { published: "PUBLISHED", local_only: "LOCAL_ONLY", primary_only: "PRIMARY_ONLY" } as const;

/** `actionName` is what was asked about. */
export function verdictOf(decision: Decision, actionName: string): Verdict {
  const { verdict, observed, retryAfterMs, propagation } = decision;
  const facts = {
    evaluationId: decision.evaluationId,
    policyDigest: decision.policyDigest,
    policyName: decision.policyName ?? "",
    revision: decision.revision,
    ...(observed !== undefined && { observed: observedOf(observed) }),
  };
  switch (verdict.kind) {
    case "permit":
      return new PermitVerdict(facts, verdict.permit, actionName);
    case "refuse":
      return new RefuseVerdict(facts, retryAfterMs === undefined ? verdict : { ...verdict, retryAfterMs });
    case "invalidate":
      return new InvalidateVerdict(facts, verdict.scope, propagation ? PROPAGATIONS[propagation] : "UNSPECIFIED");
  }
}

function observedOf(outcome: Outcome): ObservedVerdict {
  if (outcome.kind === "refuse") return outcome;
  if (outcome.kind === "permit") {
    const { token: permit, tokenId, issuedAtMs, expiresAtMs } = outcome.permit;
    return { kind: "permit", permit, tokenId, issuedAtMs, expiresAtMs };
  }
  const { scope } = outcome;
  return { kind: "invalidate", scope, evaluator: scope.evaluator, reason: scope.reason };
}
