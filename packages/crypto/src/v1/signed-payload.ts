/**
 * The signed payload of format 1, which audit entries and channel messages share: data, nonce and time are signed, with an empty
 * context and no tag; nothing covers the key id.
 */
import { ED25519, HYBRID_SUITE, ML_DSA_65, SUITE_HAS_ED25519, type Suite } from "../algorithms.ts";
import { CryptoError } from "../errors.ts";
import { concat, utf8 } from "../framing.ts";
import { signedInstantText } from "../instant.ts";
import { type KavachKeyPair, signingKeysOf } from "../keys/key-pair.ts";
import { type PublicKeyBundle, verifyingKeysOf } from "../keys/public-key-bundle.ts";
import { provider } from "../provider.ts";

export interface SignedPayload {
  readonly data: Uint8Array;
  readonly mlDsaSignature: Uint8Array;
  /** Undefined in suite `ml-dsa-65`. */
  readonly ed25519Signature: Uint8Array | undefined;
  readonly keyId: string;
  /** RFC 3339, as it was read. */
  readonly signedAt: string;
  readonly nonce: string;
}

const NO_CONTEXT = new Uint8Array(0);
/** What existing signers write. Nothing says in the signed bytes where data ends and the nonce begins but this form. */
const NONCE_FORM = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** What is signed. The time's text ends in `+00:00`, whatever the JSON spells. Throws CryptoError `KEY_CORRUPT` for a text that is no time. */
function messageOf(data: Uint8Array, nonce: string, signedAt: string): Uint8Array<ArrayBuffer> {
  return concat(data, utf8(nonce), utf8(signedInstantText(signedAt)));
}

/** On the calling thread. `signedAt`: RFC 3339. Throws CryptoError `KEY_DISPOSED`. */
export function signPayload(
  suite: Suite,
  keyPair: KavachKeyPair,
  data: Uint8Array,
  nonce: string,
  signedAt: string,
): SignedPayload {
  const keys = signingKeysOf(keyPair);
  const message = messageOf(data, nonce, signedAt);
  return {
    data,
    mlDsaSignature: provider.sign(ML_DSA_65, keys.mlDsa, message, NO_CONTEXT),
    ed25519Signature: SUITE_HAS_ED25519[suite] ? provider.sign(ED25519, keys.ed25519, message, NO_CONTEXT) : undefined,
    keyId: keyPair.id,
    signedAt,
    nonce,
  };
}

/** Which signatures a payload says it carries. */
export const suiteOfPayload = (payload: SignedPayload): Suite =>
  payload.ed25519Signature === undefined ? "ml-dsa-65" : HYBRID_SUITE;

/**
 * True only when every signature of the suite is there and verifies, and no other is there. On the calling thread. A nonce that is no
 * UUID is refused, although existing verifiers take it: bytes could be moved between it and the data under one signature.
 */
export function verifyPayload(payload: SignedPayload, suite: Suite, bundle: PublicKeyBundle): boolean {
  if (suiteOfPayload(payload) !== suite || !NONCE_FORM.test(payload.nonce)) return false;
  const message = messageOf(payload.data, payload.nonce, payload.signedAt);
  const keys = verifyingKeysOf(bundle);
  const { ed25519Signature, mlDsaSignature } = payload;
  const edwards =
    ed25519Signature === undefined || provider.verify(ED25519, keys.ed25519, message, NO_CONTEXT, ed25519Signature);
  return edwards && provider.verify(ML_DSA_65, keys.mlDsa, message, NO_CONTEXT, mlDsaSignature);
}

/** The JSON object, with the names and their order that existing readers know. */
export function payloadToJson(payload: SignedPayload) {
  return {
    data: [...payload.data],
    ml_dsa_signature: [...payload.mlDsaSignature],
    ed25519_signature: payload.ed25519Signature === undefined ? null : [...payload.ed25519Signature],
    key_id: payload.keyId,
    signed_at: payload.signedAt,
    nonce: payload.nonce,
  };
}

/** From a parsed JSON value. Unknown names are ignored. Throws CryptoError `CLAIMS_INVALID`. */
export function payloadFromJson(json: unknown): SignedPayload {
  const ed25519 = jsonMember(json, "ed25519_signature") ?? undefined;
  const signedAt = jsonText(json, "signed_at");
  try {
    signedInstantText(signedAt);
  } catch (cause) {
    throw new CryptoError("CLAIMS_INVALID", "signed_at: not an instant", { cause });
  }
  return {
    data: jsonBytes(json, "data"),
    mlDsaSignature: jsonBytes(json, "ml_dsa_signature"),
    ed25519Signature: ed25519 === undefined ? undefined : jsonBytes(json, "ed25519_signature"),
    keyId: jsonText(json, "key_id"),
    signedAt,
    nonce: jsonText(json, "nonce"),
  };
}

export function jsonMember(json: unknown, name: string): unknown {
  if (typeof json !== "object" || json === null || Array.isArray(json)) throw unreadable("not an object");
  return Object.hasOwn(json, name) ? json[name as keyof typeof json] : undefined;
}

export function jsonText(json: unknown, name: string): string {
  const value = jsonMember(json, name);
  if (typeof value !== "string" || !value.isWellFormed()) throw unreadable(`${name}: not a text`);
  return value;
}

/** An array of numbers from 0 to 255. */
export function jsonBytes(json: unknown, name: string): Uint8Array<ArrayBuffer> {
  const value = jsonMember(json, name);
  const isByte = (byte: unknown) => Number.isInteger(byte) && (byte as number) >= 0 && (byte as number) <= 255;
  if (!Array.isArray(value) || !value.every(isByte)) throw unreadable(`${name}: not an array of bytes`);
  return Uint8Array.from(value as number[]);
}

const unreadable = (why: string) => new CryptoError("CLAIMS_INVALID", why);
