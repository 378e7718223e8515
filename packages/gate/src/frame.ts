/** What one decision holds still while it runs: one instant, one policy set, one view of its request. */

import { paramsDigest, tokenIdOf } from "@kavach/crypto";
import type { GateRules, PolicySet } from "@kavach/engine";
import { type ActionContext, type DecisionRequest, type InvalidationTarget, uuidToBytes } from "@kavach/model";
import type { ChargeMemory, StoredSession } from "@kavach/store";
import type { GateParts } from "./parts.ts";
import { requestDigest } from "./request-digest.ts";

export interface Frame {
  readonly request: DecisionRequest;
  /** Who asks, as it was proved outside the request; empty: nobody is known. */
  readonly caller: string;
  readonly context: ActionContext;
  readonly set: PolicySet;
  readonly rules: GateRules;
  /** The one instant of this decision, Unix ms on the store's clock. */
  readonly nowMs: number;
  /** Session facts are the store's, not the caller's. */
  readonly stored: boolean;
  /** The revision at which a stored session was born is another log's. */
  readonly bornElsewhere: boolean;
  /** Of the whole request. Computed on first use: a refusal needs none. */
  digest(): Uint8Array;
  /** Of the params, 32 bytes. */
  paramsDigest(): Uint8Array;
  /** Of the evaluation, 16 bytes. */
  evaluationBytes(): Uint8Array;
  /** Id of the permit that this decision makes, 16 bytes. */
  tokenBytes(): Uint8Array;
  /** Filled by `admit`. */
  session: StoredSession | undefined;
  /** The permit's times: this decision's, or on a retry those of the first. */
  times: ChargeMemory;
}

export function openFrame(parts: GateParts, request: DecisionRequest, caller = ""): Frame {
  const { set, rules } = parts.policies.of(request.realm);
  const nowMs = parts.clock.nowMs();
  const issuedAtMs = Math.floor(nowMs);
  let digest: Uint8Array | undefined;
  let params: Uint8Array | undefined;
  let evaluation: Uint8Array | undefined;
  let token: Uint8Array | undefined;
  return {
    request,
    caller,
    context: request.context,
    set,
    rules,
    nowMs,
    stored:
      parts.session.mode !== "inline" && (parts.session.mode === "required" || request.context.session !== undefined),
    bornElsewhere: parts.session.bornElsewhere === true,
    digest() {
      digest ??= requestDigest(request, this.evaluationBytes(), this.paramsDigest());
      return digest;
    },
    paramsDigest() {
      params ??= paramsDigest(request.context.action.params);
      return params;
    },
    evaluationBytes() {
      evaluation ??= uuidToBytes(request.evaluationId);
      return evaluation;
    },
    tokenBytes() {
      token ??= tokenIdOf(this.digest());
      return token;
    },
    session: undefined,
    // A permit never outlives the key that signs it.
    times: {
      issuedAtMs,
      expiresAtMs: Math.min(issuedAtMs + parts.permitTtlMs, parts.signer?.keyExpiresAtMs ?? Number.POSITIVE_INFINITY),
    },
  };
}

/** What an invalidate verdict about this decision's session names. Without a session it names the evaluation, for the caller's eyes only. */
export function sessionTarget(frame: Frame): InvalidationTarget {
  return {
    kind: "session",
    principalId: frame.context.principal.id,
    id: frame.context.session?.id ?? frame.request.evaluationId,
  };
}
