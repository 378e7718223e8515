/** Lets a gate issue permits of format 1, for verifiers that know no other. What that format does not bind is said at `PermitToken`. */
import { CryptoError, type PermitClaimsInit, PermitToken, type PqTokenSigner } from "@kavach/crypto";
import { uuidFromBytes } from "@kavach/model";
import type { PermitSealer, SealedInFormatOne } from "./parts.ts";

const NOTHING = new Uint8Array(0);
const encoder = new TextEncoder();

/** The token is the JSON that existing Kavach nodes exchange: ids, times and action, with the envelope as an array of byte values. */
export function formatOneSealer(signer: PqTokenSigner): PermitSealer {
  return {
    keyExpiresAtMs: signer.keyExpiresAtMs,
    async seal(claims: PermitClaimsInit): Promise<Uint8Array | SealedInFormatOne> {
      // The format cannot say that a permit only observes, so it leaves unsigned and proves nothing.
      if (claims.mode === "observe") return NOTHING;
      // Whoever asks for less than anybody may use must not get what anybody may use.
      if (claims.singleUse) throw new CryptoError("CLAIMS_INVALID", "format 1 has no permits for one use");
      if (claims.audience.length > 0) throw new CryptoError("CLAIMS_INVALID", "format 1 has no audience");
      const token = new PermitToken({
        tokenId: uuidFromBytes(claims.tokenId),
        evaluationId: uuidFromBytes(claims.evaluationId),
        issuedAt: Math.floor(claims.issuedAtMs / 1000),
        expiresAt: Math.floor(claims.expiresAtMs / 1000),
        actionName: claims.action,
      });
      const signature = await signer.sign(token);
      return { token: encoder.encode(tokenJson(token, signature)), signature };
    },
  };
}

function tokenJson(token: PermitToken, signature: Uint8Array): string {
  return JSON.stringify({
    token_id: token.tokenId,
    evaluation_id: token.evaluationId,
    issued_at: token.issuedAt,
    expires_at: token.expiresAt,
    action_name: token.actionName,
    signature: [...signature],
  });
}
