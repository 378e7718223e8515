/** What one decision holds still while it runs: one instant, one policy set, one view of its request. */

import { paramsDigest, tokenIdOf } from "@kavach/crypto";
import type { GateRules, PolicySet } from "@kavach/engine";
import { type ActionContext, type DecisionRequest, type InvalidationTarget, uuidToBytes } from "@kavach/model";
import type { ChargeMemory, StoredSession } from "@kavach/store";
import type { GateParts } from "./parts.ts";
import { requestDigest } from "./request-digest.ts";

export class Frame {
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
  /** Filled by `admit`. */
  session: StoredSession | undefined;
  /** The permit's times: this decision's, or on a retry those of the first. */
  times: ChargeMemory;
  #digest: Uint8Array | undefined;
  #params: Uint8Array | undefined;
  #evaluation: Uint8Array | undefined;
  #token: Uint8Array | undefined;

  constructor(parts: GateParts, request: DecisionRequest, caller = "") {
    const { set, rules } = parts.policies.of(request.realm);
    this.request = request;
    this.caller = caller;
    this.context = request.context;
    this.set = set;
    this.rules = rules;
    this.nowMs = parts.clock.nowMs();
    this.stored =
      parts.session.mode !== "inline" && (parts.session.mode === "required" || request.context.session !== undefined);
    this.bornElsewhere = parts.session.bornElsewhere === true;
    const issuedAtMs = Math.floor(this.nowMs);
    // A permit never outlives the key that signs it.
    const keyExpiresAtMs = parts.signer?.keyExpiresAtMs ?? Number.POSITIVE_INFINITY;
    this.times = { issuedAtMs, expiresAtMs: Math.min(issuedAtMs + parts.permitTtlMs, keyExpiresAtMs) };
  }

  /** Of the whole request, 32 bytes. Computed on first use, as the others are: a refusal needs none. */
  digest(): Uint8Array {
    this.#digest ??= requestDigest(this.request, this.evaluationBytes(), this.paramsDigest());
    return this.#digest;
  }

  /** Of the params, 32 bytes. */
  paramsDigest(): Uint8Array {
    this.#params ??= paramsDigest(this.context.action.params);
    return this.#params;
  }

  /** Of the evaluation, 16 bytes. */
  evaluationBytes(): Uint8Array {
    this.#evaluation ??= uuidToBytes(this.request.evaluationId);
    return this.#evaluation;
  }

  /** Id of the permit that this decision makes, 16 bytes. */
  tokenBytes(): Uint8Array {
    this.#token ??= tokenIdOf(this.digest());
    return this.#token;
  }
}

/** What an invalidate verdict about this decision's session names. Without a session it names the evaluation, for the caller's eyes only. */
export function sessionTarget(frame: Frame): InvalidationTarget {
  return {
    kind: "session",
    principalId: frame.context.principal.id,
    id: frame.context.session?.id ?? frame.request.evaluationId,
  };
}
