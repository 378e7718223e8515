/** Reads the gate's answer. Whatever is unset, unknown or incomplete reads as refuse. */
import { type EvaluateResponse, Propagation, type Refusal, type Verdict as WireVerdict } from "@kavach/api";
import {
  type DecisionFacts,
  formatOneSignature,
  InvalidateVerdict,
  type ObservedVerdict,
  PermitVerdict,
  type PropagationName,
  type RefuseAnswer,
  RefuseVerdict,
  type Verdict,
} from "@kavach/model";
import { durationFromWire, refuseCodeFromWire, requiredInstant, revisionFromWire, scopeFromWire } from "@kavach/wire";

/** Throws `InputError` where the answer's facts break the contract: then there is no verdict. `actionName` is what was asked about. */
export function readVerdict(response: EvaluateResponse, actionName: string): Verdict {
  const { revision, observed, retryAfter } = response;
  const facts: DecisionFacts = {
    evaluationId: response.evaluationId,
    policyDigest: response.policyDigest,
    policyName: response.policyName,
    ...(revision !== undefined && { revision: revisionFromWire(revision, "revision") }),
    ...(observed !== undefined && { observed: readAnswer(observed.verdict, "observed.") }),
  };
  const answer = readAnswer(response.verdict, "");
  switch (answer.kind) {
    case "permit":
      return new PermitVerdict(facts, issuedOf(answer), actionName);
    case "refuse": {
      const wait = retryAfter !== undefined && { retryAfterMs: durationFromWire(retryAfter, "retry_after") };
      return new RefuseVerdict(facts, { ...answer, ...wait });
    }
    case "invalidate":
      return new InvalidateVerdict(facts, answer.scope, propagationName(response.propagation));
  }
}

function issuedOf({ permit: token, tokenId, issuedAtMs, expiresAtMs }: Extract<ObservedVerdict, { kind: "permit" }>) {
  const signature = formatOneSignature(token);
  return { token, tokenId, issuedAtMs, expiresAtMs, ...(signature !== undefined && { signature }) };
}

function readAnswer(verdict: WireVerdict["verdict"], path: string): ObservedVerdict {
  switch (verdict.case) {
    case "permit": {
      const { token, tokenId, issuedAt, expiresAt } = verdict.value;
      return {
        kind: "permit",
        permit: token,
        tokenId,
        issuedAtMs: requiredInstant(issuedAt, `${path}permit.issued_at`),
        expiresAtMs: requiredInstant(expiresAt, `${path}permit.expires_at`),
      };
    }
    case "refuse":
      return readRefusal(verdict.value);
    case "invalidate": {
      const scope = scopeFromWire(verdict.value.scope, `${path}invalidate.scope`);
      return { kind: "invalidate", scope, evaluator: scope.evaluator, reason: scope.reason };
    }
    default:
      return { kind: "refuse", code: "POLICY_DENIED", evaluator: "client", reason: "the answer holds no verdict" };
  }
}

/** A code this version does not know is a refusal all the same. */
function readRefusal(refusal: Refusal): RefuseAnswer {
  const { evaluator, reason } = refusal;
  return { kind: "refuse", code: refuseCodeFromWire(refusal.code) ?? "POLICY_DENIED", evaluator, reason };
}

function propagationName(propagation: Propagation): PropagationName {
  switch (propagation) {
    case Propagation.PUBLISHED:
      return "PUBLISHED";
    case Propagation.LOCAL_ONLY:
      return "LOCAL_ONLY";
    case Propagation.PRIMARY_ONLY:
      return "PRIMARY_ONLY";
    default:
      return "UNSPECIFIED";
  }
}
