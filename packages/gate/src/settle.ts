/** The last step of a decision. Only here can a permit be minted, and only here is a verdict published and recorded. */
import { CryptoError, type PermitClaimsInit } from "@kavach/crypto";
import type { PolicySet } from "@kavach/engine";
import type { Decision, IssuedPermit, Outcome, Propagation } from "@kavach/model";
import {
  type Finding,
  type InvalidateFinding,
  type PassFinding,
  type RefuseFinding,
  type Revision,
  type SealedToken,
  uuidFromBytes,
} from "@kavach/model";
import { type Frame, sessionTarget } from "./frame.ts";
import type { GateParts, PermitSealer } from "./parts.ts";
import { recordVerdict } from "./record.ts";
import { revokedFinding } from "./revoked.ts";
import { after, type Soon } from "./soon.ts";

const NO_TOKEN = new Uint8Array(0);

export function settle(parts: GateParts, frame: Frame, finding: Finding): Soon<Decision> {
  if (parts.observeOnly) return settleObserved(parts, frame, finding);
  if (finding.kind === "pass") return settlePermit(parts, frame, finding);
  if (finding.kind === "invalidate") return settleInvalidate(parts, frame, finding);
  return settleRefusal(parts, frame, finding);
}

function settlePermit(parts: GateParts, frame: Frame, finding: PassFinding): Soon<Decision> {
  const revoked = revokedFinding(parts.revocations, frame);
  if (revoked !== undefined) return settleRefusal(parts, frame, revoked);
  const revision = parts.revocations.applied;
  if (parts.signer !== undefined) return sealPermit(parts, parts.signer, frame, finding, revision);
  const permit = new FramePermit(frame, NO_TOKEN);
  return release(parts, frame, decisionOf(frame, { kind: "permit", permit }, revision, finding.policyName));
}

function sealPermit(
  parts: GateParts,
  signer: PermitSealer,
  frame: Frame,
  finding: PassFinding,
  revision: Revision,
): Promise<Decision> {
  return mint(parts, signer, frame, finding, revision, demandToken).then(
    (permit) => release(parts, frame, decisionOf(frame, { kind: "permit", permit }, revision, finding.policyName)),
    (error: unknown) => {
      parts.report(error, "permit signing failed");
      return settleRefusal(parts, frame, signingFailed(error));
    },
  );
}

function demandToken(sizeBytes: number): void {
  if (sizeBytes === 0) throw new Error("the signer returned nothing");
}

/** Lets a permit go: recorded first where that is required, looked at once more in any case. */
function release(parts: GateParts, frame: Frame, decision: Decision): Soon<Decision> {
  if (parts.audit.mode === "required") {
    return after(recordVerdict(parts, frame, decision), (recorded) => {
      // Nothing is written about this refusal: the log is what failed.
      if (!recorded) return refusalOf(frame, parts, refusal("POLICY_DENIED", "audit unavailable"));
      const late = lastLook(parts, frame);
      return late === undefined ? decision : settleRefusal(parts, frame, late);
    });
  }
  const late = lastLook(parts, frame);
  if (late !== undefined) return settleRefusal(parts, frame, late);
  void recordVerdict(parts, frame, decision);
  return decision;
}

/** Read last before a permit leaves: whatever happened while it was signed and recorded counts. */
function lastLook(parts: GateParts, frame: Frame): RefuseFinding | undefined {
  // Written so that a time that is no number, from a signer of somebody's own, counts as past.
  if (!(parts.clock.nowMs() < frame.times.expiresAtMs)) {
    return refusal("PERMIT_EXPIRED", "permit expired before it could be returned");
  }
  return revokedFinding(parts.revocations, frame);
}

/** A permit that was decided but not sent yet, looked at once more. */
export function withdrawIfRevoked(parts: GateParts, frame: Frame, decision: Decision): Decision {
  if (decision.verdict.kind !== "permit" || parts.observeOnly) return decision;
  const late = lastLook(parts, frame);
  if (late === undefined) return decision;
  const refused = refusalOf(frame, parts, late);
  void recordVerdict(parts, frame, refused);
  return refused;
}

async function settleInvalidate(parts: GateParts, frame: Frame, finding: InvalidateFinding): Promise<Decision> {
  // Facts without a session's name are named after the evaluation: there is no session that could be revoked.
  const { session } = frame.context;
  const sessionless = session === undefined || session.id === frame.request.evaluationId;
  const scope = sessionless ? { ...finding.scope, target: sessionTarget(frame) } : finding.scope;
  let propagation: Propagation | undefined;
  if (!sessionless) {
    parts.revocations.applyLocal(frame.request.realm, scope);
    propagation = await parts.outbox.send(frame.request.realm, scope, frame.request.evaluationId);
  }
  const decision: Decision = {
    ...decisionOf(frame, { kind: "invalidate", scope }, parts.revocations.applied, finding.policyName),
    ...(propagation !== undefined && { propagation }),
  };
  return await recordFirst(parts, frame, decision);
}

function settleRefusal(parts: GateParts, frame: Frame, finding: RefuseFinding): Soon<Decision> {
  return recordFirst(parts, frame, refusalOf(frame, parts, finding));
}

/** Nothing is blocked; the true verdict travels beside a permit that says it only observes. */
function settleObserved(parts: GateParts, frame: Frame, finding: Finding): Soon<Decision> {
  const revision = parts.revocations.applied;
  return after(observedPermit(parts, frame, finding, revision), (permit) => {
    const verdict: Outcome = { kind: "permit", permit };
    return recordFirst(parts, frame, {
      ...decisionOf(frame, verdict, revision, finding.policyName),
      observed: finding.kind === "pass" ? verdict : verdictOf(finding),
    });
  });
}

function observedPermit(parts: GateParts, frame: Frame, finding: Finding, revision: Revision): Soon<IssuedPermit> {
  const unsigned = new FramePermit(frame, NO_TOKEN);
  if (parts.signer === undefined) return unsigned;
  return mint(parts, parts.signer, frame, finding, revision).catch((error: unknown) => {
    parts.report(error, "permit signing failed");
    return unsigned;
  });
}

/** A verdict that stands whether or not it can be written; where records are required, the writing is waited for. */
function recordFirst(parts: GateParts, frame: Frame, decision: Decision): Soon<Decision> {
  const recorded = recordVerdict(parts, frame, decision);
  return parts.audit.mode === "required" ? after(recorded, () => decision) : decision;
}

/** `judge` is told how long the token is, and throws where that will not do. */
function mint(
  parts: GateParts,
  signer: PermitSealer,
  frame: Frame,
  finding: Finding,
  revision: Revision,
  judge: (sizeBytes: number) => void = () => {},
): Promise<IssuedPermit> {
  try {
    const claims = claimsOf(parts, frame, finding, revision);
    if (signer.sealToken !== undefined) {
      return signer.sealToken(claims).then((sealed) => {
        judge(sealed.size);
        return new FramePermit(frame, sealed);
      });
    }
    return signer.seal(claims).then((sealed) => {
      const { token, signature } = sealed instanceof Uint8Array ? { token: sealed } : sealed;
      if (!(token instanceof Uint8Array)) throw new Error("the signer returned no bytes");
      judge(token.length);
      return new FramePermit(frame, token, signature);
    });
  } catch (error) {
    return Promise.reject(error);
  }
}

function claimsOf(parts: GateParts, frame: Frame, finding: Finding, revision: Revision): PermitClaimsInit {
  const { request, context, times } = frame;
  const limited = finding.kind === "pass" && finding.limited;
  return {
    realm: request.realm,
    tokenId: frame.tokenBytes(),
    evaluationId: frame.evaluationBytes(),
    principal: context.principal,
    sessionId: context.session?.id ?? "",
    action: context.action.name,
    resource: context.action.resource ?? "",
    paramsDigest: frame.paramsDigest(),
    audience: request.audience,
    policyDigest: policyDigestOf(frame.set),
    revision,
    issuedAtMs: times.issuedAtMs,
    notBeforeMs: times.issuedAtMs,
    expiresAtMs: times.expiresAtMs,
    singleUse: request.singleUse || parts.singleUse === "always" || (parts.singleUse === "when_limited" && limited),
    mode: parts.observeOnly ? "observe" : "enforce",
  };
}

/** Its id, and its bytes where they are not put together yet, are worked out when they are first asked for: not everybody pays for them. */
class FramePermit implements IssuedPermit {
  readonly sealed?: SealedToken;
  readonly signature?: Uint8Array;
  readonly issuedAtMs: number;
  readonly expiresAtMs: number;
  readonly #frame: Frame;
  #token: Uint8Array | undefined;
  #tokenId: string | undefined;

  constructor(frame: Frame, token: Uint8Array | SealedToken, signature?: Uint8Array) {
    if (token instanceof Uint8Array) this.#token = token;
    else this.sealed = token;
    if (signature !== undefined) this.signature = signature;
    this.issuedAtMs = frame.times.issuedAtMs;
    this.expiresAtMs = frame.times.expiresAtMs;
    this.#frame = frame;
  }

  get token(): Uint8Array {
    this.#token ??= this.sealed?.toBytes() ?? NO_TOKEN;
    return this.#token;
  }

  get tokenId(): string {
    this.#tokenId ??= uuidFromBytes(this.#frame.tokenBytes());
    return this.#tokenId;
  }
}

/** The bytes of a set's digest, which every permit carries. */
function policyDigestOf(set: PolicySet): Uint8Array {
  let digest = policyDigests.get(set);
  if (digest === undefined) {
    digest = Uint8Array.from(Buffer.from(set.digest, "hex"));
    policyDigests.set(set, digest);
  }
  return digest;
}

const policyDigests = new WeakMap<PolicySet, Uint8Array>();

function signingFailed(error: unknown): RefuseFinding {
  const why = error instanceof CryptoError ? error.message : "signer failed";
  return refusal("IDENTITY_FAILED", `token signing failed: ${why}`);
}

function refusal(code: RefuseFinding["code"], reason: string): RefuseFinding {
  return { kind: "refuse", code, evaluator: "gate", reason };
}

function verdictOf(finding: RefuseFinding | InvalidateFinding): Outcome {
  if (finding.kind === "invalidate") return { kind: "invalidate", scope: finding.scope };
  return { kind: "refuse", code: finding.code, evaluator: finding.evaluator, reason: finding.reason };
}

function refusalOf(frame: Frame, parts: GateParts, finding: RefuseFinding): Decision {
  return {
    ...decisionOf(frame, verdictOf(finding), parts.revocations.applied, finding.policyName),
    ...(finding.retryAfterMs !== undefined && { retryAfterMs: finding.retryAfterMs }),
  };
}

function decisionOf(frame: Frame, verdict: Outcome, revision: Revision, policyName: string | undefined): Decision {
  return {
    verdict,
    evaluationId: frame.request.evaluationId,
    policyDigest: frame.set.digest,
    revision,
    ...(policyName !== undefined && { policyName }),
  };
}
