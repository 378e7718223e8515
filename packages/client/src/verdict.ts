/** Reads the gate's answer. Whatever is unset, unknown or incomplete reads as refuse. */
import { type EvaluateResponse, Propagation, type Refusal, type Verdict as WireVerdict } from "@kavach/api";
import type { InvalidationScope, RefuseCode, Revision } from "@kavach/model";
import { durationFromWire, refuseCodeFromWire, requiredInstant, revisionFromWire, scopeFromWire } from "@kavach/wire";

/** What every verdict says besides its answer. */
export interface DecisionFacts {
  /** UUID. */
  readonly evaluationId: string;
  /** SHA-256 of the policy set that decided, lower hex. */
  readonly policyDigest: string;
  /** Name of the policy that decided; empty where none did. */
  readonly policyName: string;
  /** What the deciding node had applied of the revocation log. */
  readonly revision?: Revision;
  /** From a gate that only observes: the verdict that would have been given. */
  readonly observed?: ObservedVerdict;
}

export interface PermitAnswer {
  readonly kind: "permit";
  /** What travels to the verifier; empty only where the gate has no signer. */
  readonly permit: Uint8Array;
  /** UUID of the permit. */
  readonly tokenId: string;
  /** Unix milliseconds. */
  readonly issuedAtMs: number;
  /** Unix milliseconds; from then on the permit is void. */
  readonly expiresAtMs: number;
}

export interface RefuseAnswer {
  readonly kind: "refuse";
  readonly code: RefuseCode;
  readonly evaluator: string;
  readonly reason: string;
}

export interface InvalidateAnswer {
  readonly kind: "invalidate";
  readonly scope: InvalidationScope;
  readonly evaluator: string;
  readonly reason: string;
}

export type ObservedVerdict = PermitAnswer | RefuseAnswer | InvalidateAnswer;
export type PropagationName = "UNSPECIFIED" | "PUBLISHED" | "LOCAL_ONLY" | "PRIMARY_ONLY";

export type PermitVerdict = DecisionFacts & PermitAnswer;
export type RefuseVerdict = DecisionFacts &
  RefuseAnswer & {
    /** After a rate limit refused: milliseconds until a place is free again at the earliest. */
    readonly retryAfterMs?: number;
  };
export type InvalidateVerdict = DecisionFacts & InvalidateAnswer & { readonly propagation: PropagationName };
export type Verdict = PermitVerdict | RefuseVerdict | InvalidateVerdict;

/** Throws `InputError` where the answer's facts break the contract: then there is no verdict. */
export function readVerdict(response: EvaluateResponse): Verdict {
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
      return { ...facts, ...answer };
    case "refuse":
      return {
        ...facts,
        ...answer,
        ...(retryAfter !== undefined && { retryAfterMs: durationFromWire(retryAfter, "retry_after") }),
      };
    case "invalidate":
      return { ...facts, ...answer, propagation: propagationName(response.propagation) };
  }
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
