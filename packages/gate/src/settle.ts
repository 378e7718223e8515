/** The last step of a decision. Only here can a permit be minted, and only here is a verdict published and recorded. */
import { CryptoError, type PermitClaimsInit, paramsDigest, tokenIdOf } from "@kavach/crypto";
import {
  type Finding,
  type InvalidateFinding,
  type PassFinding,
  type RefuseFinding,
  type Revision,
  uuidFromBytes,
  uuidToBytes,
} from "@kavach/model";
import type { GateParts } from "./conductor.ts";
import type { Decision, IssuedPermit, Propagation, Verdict } from "./decision.ts";
import { type Frame, sessionTarget } from "./frame.ts";
import { recordVerdict } from "./record.ts";
import { revokedFinding } from "./revoked.ts";

/** Signs claims; rejects when it cannot. */
export interface PermitSealer {
  /** When the key expires, Unix milliseconds; infinite where it never does. */
  readonly keyExpiresAtMs: number;
  seal(claims: PermitClaimsInit): Promise<Uint8Array>;
}

const NO_TOKEN = new Uint8Array(0);

export async function settle(parts: GateParts, frame: Frame, finding: Finding): Promise<Decision> {
  if (parts.observeOnly) return await settleObserved(parts, frame, finding);
  if (finding.kind === "pass") return await settlePermit(parts, frame, finding);
  if (finding.kind === "invalidate") return await settleInvalidate(parts, frame, finding);
  return await settleRefusal(parts, frame, finding);
}

async function settlePermit(parts: GateParts, frame: Frame, finding: PassFinding): Promise<Decision> {
  const revoked = revokedFinding(parts.revocations, frame);
  if (revoked !== undefined) return await settleRefusal(parts, frame, revoked);
  const revision = parts.revocations.applied;
  let permit: IssuedPermit;
  try {
    permit = await mint(parts, frame, finding, revision);
  } catch (error) {
    parts.report(error, "permit signing failed");
    return await settleRefusal(parts, frame, signingFailed(error));
  }
  const decision = decisionOf(frame, { kind: "permit", permit }, revision, finding.policyName);
  if (parts.audit.mode === "required" && !(await recordVerdict(parts, frame, decision))) {
    // Nothing is written about this refusal: the log is what failed.
    return refusalOf(frame, parts, refusal("POLICY_DENIED", "audit unavailable"));
  }
  const late = lastLook(parts, frame);
  if (late !== undefined) return await settleRefusal(parts, frame, late);
  if (parts.audit.mode === "best_effort") void recordVerdict(parts, frame, decision);
  return decision;
}

/** Read last before a permit leaves: whatever happened while it was signed and recorded counts. */
function lastLook(parts: GateParts, frame: Frame): RefuseFinding | undefined {
  if (parts.clock.nowMs() >= frame.times.expiresAtMs) {
    return refusal("PERMIT_EXPIRED", "permit expired before it could be returned");
  }
  return revokedFinding(parts.revocations, frame);
}

/** A permit that was decided but not sent yet, looked at once more. */
export function withdrawIfRevoked(parts: GateParts, frame: Frame, decision: Decision): Decision {
  if (decision.verdict.kind !== "permit" || parts.observeOnly) return decision;
  const late = lastLook(parts, frame);
  return late === undefined ? decision : refusalOf(frame, parts, late);
}

async function settleInvalidate(parts: GateParts, frame: Frame, finding: InvalidateFinding): Promise<Decision> {
  const sessionless = frame.context.session === undefined;
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
  await recordUnlessBestEffort(parts, frame, decision);
  return decision;
}

async function settleRefusal(parts: GateParts, frame: Frame, finding: RefuseFinding): Promise<Decision> {
  const decision = refusalOf(frame, parts, finding);
  await recordUnlessBestEffort(parts, frame, decision);
  return decision;
}

/** Nothing is blocked; the true verdict travels beside a permit that says it only observes. */
async function settleObserved(parts: GateParts, frame: Frame, finding: Finding): Promise<Decision> {
  const revision = parts.revocations.applied;
  let permit: IssuedPermit;
  try {
    permit = await mint(parts, frame, finding, revision);
  } catch (error) {
    parts.report(error, "permit signing failed");
    permit = permitOf(frame, NO_TOKEN);
  }
  const verdict: Verdict = { kind: "permit", permit };
  const decision: Decision = {
    ...decisionOf(frame, verdict, revision, finding.policyName),
    observed: finding.kind === "pass" ? verdict : verdictOf(finding),
  };
  await recordUnlessBestEffort(parts, frame, decision);
  return decision;
}

async function recordUnlessBestEffort(parts: GateParts, frame: Frame, decision: Decision): Promise<void> {
  const recorded = recordVerdict(parts, frame, decision);
  if (parts.audit.mode === "required") await recorded;
}

async function mint(parts: GateParts, frame: Frame, finding: Finding, revision: Revision): Promise<IssuedPermit> {
  if (parts.signer === undefined) return permitOf(frame, NO_TOKEN);
  const permit = permitOf(frame, NO_TOKEN);
  const { request, context } = frame;
  const limited = finding.kind === "pass" && finding.limited;
  const token = await parts.signer.seal({
    realm: request.realm,
    tokenId: uuidToBytes(permit.tokenId),
    evaluationId: uuidToBytes(request.evaluationId),
    principal: context.principal,
    sessionId: context.session?.id ?? "",
    action: context.action.name,
    resource: context.action.resource ?? "",
    paramsDigest: paramsDigest(context.action.params),
    audience: request.audience,
    policyDigest: Uint8Array.from(Buffer.from(frame.set.digest, "hex")),
    revision,
    issuedAtMs: permit.issuedAtMs,
    notBeforeMs: permit.issuedAtMs,
    expiresAtMs: permit.expiresAtMs,
    singleUse: request.singleUse || parts.singleUse === "always" || (parts.singleUse === "when_limited" && limited),
    mode: parts.observeOnly ? "observe" : "enforce",
  });
  return { ...permit, token };
}

function permitOf(frame: Frame, token: Uint8Array): IssuedPermit {
  const { realm, evaluationId } = frame.request;
  const tokenId = uuidFromBytes(tokenIdOf(realm, uuidToBytes(evaluationId), frame.digest()));
  return { token, tokenId, issuedAtMs: frame.times.issuedAtMs, expiresAtMs: frame.times.expiresAtMs };
}

function signingFailed(error: unknown): RefuseFinding {
  const why = error instanceof CryptoError ? error.message : "signer failed";
  return refusal("IDENTITY_FAILED", `token signing failed: ${why}`);
}

function refusal(code: RefuseFinding["code"], reason: string): RefuseFinding {
  return { kind: "refuse", code, evaluator: "gate", reason };
}

function verdictOf(finding: RefuseFinding | InvalidateFinding): Verdict {
  if (finding.kind === "invalidate") return { kind: "invalidate", scope: finding.scope };
  return { kind: "refuse", code: finding.code, evaluator: finding.evaluator, reason: finding.reason };
}

function refusalOf(frame: Frame, parts: GateParts, finding: RefuseFinding): Decision {
  return {
    ...decisionOf(frame, verdictOf(finding), parts.revocations.applied, finding.policyName),
    ...(finding.retryAfterMs !== undefined && { retryAfterMs: finding.retryAfterMs }),
  };
}

function decisionOf(frame: Frame, verdict: Verdict, revision: Revision, policyName: string | undefined): Decision {
  return {
    verdict,
    evaluationId: frame.request.evaluationId,
    policyDigest: frame.set.digest,
    revision,
    ...(policyName !== undefined && { policyName }),
  };
}
