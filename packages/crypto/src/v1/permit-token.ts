/** A permit of format 1, as existing Kavach verifiers know it. It binds neither principal, nor resource, nor params: prefer format 2. */
import { uuidToBytes } from "@kavach/model";
import { CryptoError } from "../errors.ts";
import { concat, utf8 } from "../framing.ts";

export interface PermitTokenInit {
  /** UUID text. */
  readonly tokenId: string;
  /** UUID text. */
  readonly evaluationId: string;
  /** Unix seconds, whole. */
  readonly issuedAt: number;
  /** Unix seconds, whole. */
  readonly expiresAt: number;
  readonly actionName: string;
}

const UUID_FORM = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
// A list of one text would pass for the text.
const isUuid = (text: string) => typeof text === "string" && UUID_FORM.test(text);

/**
 * Ids, times and the action's name: all that format 1 signs. Neither principal, resource, params, audience nor realm is bound, so a permit for
 * one refund is one for every refund by anybody until it expires.
 */
export class PermitToken implements PermitTokenInit {
  readonly tokenId: string;
  readonly evaluationId: string;
  readonly issuedAt: number;
  readonly expiresAt: number;
  readonly actionName: string;

  /** Throws CryptoError `CLAIMS_INVALID`. */
  constructor(init: PermitTokenInit) {
    const { tokenId, evaluationId, issuedAt, expiresAt, actionName } = (init ?? {}) as PermitTokenInit;
    const whole =
      isUuid(tokenId) &&
      isUuid(evaluationId) &&
      Number.isSafeInteger(issuedAt) &&
      Number.isSafeInteger(expiresAt) &&
      typeof actionName === "string" &&
      actionName.isWellFormed();
    if (!whole) throw new CryptoError("CLAIMS_INVALID", "not the parts of a permit token");
    this.tokenId = tokenId;
    this.evaluationId = evaluationId;
    this.issuedAt = issuedAt;
    this.expiresAt = expiresAt;
    this.actionName = actionName;
  }

  /** The signed bytes: both ids (16 each), issued and expires seconds (int64, little-endian), the action's name in UTF-8. */
  canonicalBytes(): Uint8Array<ArrayBuffer> {
    return concat(
      uuidToBytes(this.tokenId),
      uuidToBytes(this.evaluationId),
      int64LittleEndian(this.issuedAt),
      int64LittleEndian(this.expiresAt),
      utf8(this.actionName),
    );
  }
}

/** Throws CryptoError `CLAIMS_INVALID` for what only looks like a token. */
export function signedBytesOf(token: PermitToken): Uint8Array<ArrayBuffer> {
  if (token instanceof PermitToken) return token.canonicalBytes();
  throw new CryptoError("CLAIMS_INVALID", "not a PermitToken");
}

function int64LittleEndian(value: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigInt64(0, BigInt(value), true);
  return bytes;
}
