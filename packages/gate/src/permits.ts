/** Checks permits for callers: verification against what is about to be done, and redemption, once in the whole cluster. */
import { CryptoError, type PermitClaims, type PermitFailureCode, type PermitVerifier } from "@kavach/crypto";
import { type Action, type Clock, formatOneSignature, type RevocationSubject } from "@kavach/model";
import type { Store } from "@kavach/store";
import type { RevocationView } from "./freshness.ts";

export interface PermitExpectation {
  readonly realm: string;
  readonly principalId: string;
  readonly action: Action;
  /** Empty accepts only permits without an audience. */
  readonly audience: string;
}

export type PermitFailure = PermitFailureCode | "ALREADY_REDEEMED" | "STALE";

export type PermitResult =
  | { readonly kind: "valid"; readonly claims: PermitClaims }
  | { readonly kind: "invalid"; readonly failure: PermitFailure };

export interface PermitParts {
  readonly verifier: PermitVerifier;
  readonly revocations: RevocationView;
  readonly store: Store;
  readonly clock: Clock;
}

const failed = (failure: PermitFailure): PermitResult => ({ kind: "invalid", failure });

export class Permits {
  readonly #parts: PermitParts;

  constructor(parts: PermitParts) {
    this.#parts = parts;
  }

  /**
   * A single-use permit does not hold here: it must be redeemed. Rejects with CryptoError `EXPECTATION_INVALID` when the expectation leaves
   * something out, or names what nobody compares.
   */
  async verify(token: Uint8Array, expected: PermitExpectation): Promise<PermitResult> {
    return await this.#verify(token, expected, false);
  }

  /** Verifies and uses up, atomically. Rejects as `verify` does, and with UnavailableError when the store does not answer: the permit may then be spent. */
  async redeem(token: Uint8Array, expected: PermitExpectation): Promise<PermitResult> {
    const verified = await this.#verify(token, expected, true);
    if (verified.kind === "invalid") return verified;
    const { claims } = verified;
    const redeemed = await this.#parts.store.redeem({
      realm: claims.realm,
      principalId: claims.principalId,
      tokenId: claims.tokenId,
      expiresAtMs: Number(claims.expiresAtMs),
    });
    if (redeemed === "already_redeemed") return failed("ALREADY_REDEEMED");
    if (redeemed === "expired") return failed("EXPIRED");
    // The permit is spent; whether it still holds is asked once more, as time has passed.
    const revoked = this.#revoked(claims);
    return revoked === undefined ? verified : failed(revoked);
  }

  async #verify(token: Uint8Array, expected: PermitExpectation, allowSingleUse: boolean): Promise<PermitResult> {
    const { realm, principalId, action, audience, ...unknown } = (expected ?? {}) as PermitExpectation;
    const name = Object.keys(unknown)[0];
    // Who says more than is compared here believes that it was.
    if (name !== undefined) throw new CryptoError("EXPECTATION_INVALID", `nothing compares ${name}`);
    const verified = await this.#parts.verifier.verify(token, {
      realm,
      principalId,
      action,
      nowMs: this.#parts.clock.nowMs(),
      allowSingleUse,
      ...(audience !== "" && audience !== undefined && { audience }),
    });
    if (verified.kind === "invalid") {
      // Format 1 binds nothing of what is expected here but the action: there is nothing to compare, and nothing to use up.
      const isOfOne = verified.failure === "MALFORMED" && token instanceof Uint8Array && isFormatOne(token);
      return isOfOne ? failed("FORMAT_UNSUPPORTED") : verified;
    }
    const revoked = this.#revoked(verified.claims);
    return revoked === undefined ? verified : failed(revoked);
  }

  #revoked(claims: PermitClaims): PermitFailure | undefined {
    const { revocations } = this.#parts;
    if (revocations.isRevoked(subjectOf(claims))) return "REVOKED";
    return revocations.staleForMs() === undefined ? undefined : "STALE";
  }
}

const isFormatOne = (token: Uint8Array) => formatOneSignature(token) !== undefined;

function subjectOf(claims: PermitClaims): RevocationSubject {
  const permitRevision = {
    generation: Number(claims.revision?.generation ?? 0n),
    number: Number(claims.revision?.number ?? 0n),
  };
  return {
    realm: claims.realm,
    principalId: claims.principalId,
    roles: claims.roles,
    permitRevision,
    ...(claims.sessionId !== "" && { session: { id: claims.sessionId } }),
  };
}
