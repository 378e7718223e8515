/** The public half of a key pair, and its forms: `KVPB` bytes and JSON, as the Python package writes them. */
import { ED25519, isSuite, ML_DSA_65, ML_KEM_768, SUITE_HAS_ED25519, type Suite, X25519 } from "../algorithms.ts";
import { CryptoError } from "../errors.ts";
import { concat, equalBytes, frame, utf8 } from "../framing.ts";
import { instantMs } from "../instant.ts";
import { type PublicKey, provider, sha256 } from "../provider.ts";
import { decodeTagged, KEY_FORM_VERSION, keyFields } from "./key-json.ts";

/** All keys of one identity. Lengths in bytes. */
export interface PublicKeyBundle {
  /** Any text; `kavach-key-<uuid>` where it was generated here. */
  readonly id: string;
  /** ML-DSA-65, 1952. */
  readonly mlDsaVerifyingKey: Uint8Array;
  /** ML-KEM-768, 1184. */
  readonly mlKemEncapsulationKey: Uint8Array;
  /** Ed25519, 32. */
  readonly ed25519VerifyingKey: Uint8Array;
  /** X25519, 32. */
  readonly x25519PublicKey: Uint8Array;
  /** RFC 3339, as it was read. */
  readonly createdAt: string;
  /** RFC 3339; from then on nothing is signed or verified. `null`: never. */
  readonly expiresAt: string | null;
}

const MAGIC = utf8("KVPB");

/** The bundle as a JSON object, with the names and their order that existing verifiers know. Throws CryptoError `KEY_CORRUPT` for a damaged one. */
export function bundleToJson(bundle: PublicKeyBundle): BundleJson {
  return jsonOf(checkedBundle(bundle));
}

type BundleJson = ReturnType<typeof jsonOf>;

/** Of a bundle that was looked at. */
function jsonOf(bundle: PublicKeyBundle) {
  return {
    id: bundle.id,
    ml_dsa_verifying_key: [...bundle.mlDsaVerifyingKey],
    ml_kem_encapsulation_key: [...bundle.mlKemEncapsulationKey],
    ed25519_verifying_key: [...bundle.ed25519VerifyingKey],
    x25519_public_key: [...bundle.x25519PublicKey],
    created_at: bundle.createdAt,
    expires_at: bundle.expiresAt,
  };
}

/** From a parsed JSON object. Unknown names are ignored. Throws CryptoError `KEY_CORRUPT`, also for a key of the wrong length. */
export function bundleFromJson(json: unknown): PublicKeyBundle {
  const fields = keyFields(json);
  return Object.freeze({
    id: fields.text("id"),
    mlDsaVerifyingKey: fields.bytes("ml_dsa_verifying_key", ML_DSA_65.publicBytes),
    mlKemEncapsulationKey: fields.bytes("ml_kem_encapsulation_key", ML_KEM_768.publicBytes),
    ed25519VerifyingKey: fields.bytes("ed25519_verifying_key", ED25519.publicBytes),
    x25519PublicKey: fields.bytes("x25519_public_key", X25519.publicBytes),
    createdAt: fields.instant("created_at"),
    expiresAt: fields.instantOrNull("expires_at"),
  });
}

/** `KVPB`, byte 01, JSON. Throws CryptoError `KEY_CORRUPT` for a damaged bundle, which nobody could read again. */
export function bundleToBytes(bundle: PublicKeyBundle): Uint8Array<ArrayBuffer> {
  return concat(MAGIC, KEY_FORM_VERSION, utf8(JSON.stringify(bundleToJson(bundle))));
}

/** Throws CryptoError `KEY_CORRUPT`. */
export function bundleFromBytes(bytes: Uint8Array): PublicKeyBundle {
  return bundleFromJson(decodeTagged(MAGIC, bytes));
}

/** A copy that nobody else holds, with every length and instant looked at. Throws CryptoError `KEY_CORRUPT`. */
export function checkedBundle(bundle: PublicKeyBundle): PublicKeyBundle {
  let json: unknown;
  try {
    json = jsonOf(bundle);
  } catch (cause) {
    throw new CryptoError("KEY_CORRUPT", "not a bundle of public keys", { cause });
  }
  return bundleFromJson(json);
}

/** The same of a list. Throws CryptoError `KEY_CORRUPT`, also for what is no list. */
export function checkedBundles(bundles: readonly PublicKeyBundle[]): PublicKeyBundle[] {
  if (Array.isArray(bundles)) return bundles.map(checkedBundle);
  throw new CryptoError("KEY_CORRUPT", "not a list of bundles");
}

function expectBundle(bundle: PublicKeyBundle): PublicKeyBundle {
  const { mlDsaVerifyingKey, ed25519VerifyingKey } = Object(bundle) as Partial<PublicKeyBundle>;
  if (mlDsaVerifyingKey instanceof Uint8Array && ed25519VerifyingKey instanceof Uint8Array) return bundle;
  throw new CryptoError("KEY_CORRUPT", "not a bundle of public keys");
}

/** Unix milliseconds; infinite where the keys never expire. */
export function expiresAtMsOf(bundle: PublicKeyBundle): number {
  return bundle.expiresAt === null ? Number.POSITIVE_INFINITY : instantMs(bundle.expiresAt);
}

/**
 * The v2 key id: lower hex of the first 16 bytes of SHA-256 over the suite and the suite's signing public keys (ML-DSA-65, then
 * Ed25519), each preceded by its length (uint32, big-endian). Computed wherever it is needed, never read. Throws CryptoError
 * `OPTION_INVALID` for an unknown suite, and `KEY_CORRUPT` for what is no bundle.
 */
export function keyIdOf(bundle: PublicKeyBundle, suite: Suite): string {
  if (!isSuite(suite)) throw new CryptoError("OPTION_INVALID", "unknown suite");
  const keys = [expectBundle(bundle).mlDsaVerifyingKey];
  if (SUITE_HAS_ED25519[suite]) keys.push(bundle.ed25519VerifyingKey);
  return Buffer.from(sha256(frame(utf8(suite), ...keys)).subarray(0, 16)).toString("hex");
}

/** The keys of a bundle that verify, in the provider's form, and the key ids that were computed from the same bytes. */
export interface VerifyingKeys {
  readonly mlDsa: PublicKey;
  readonly ed25519: PublicKey;
  readonly keyIds: Readonly<Record<Suite, string>>;
}

interface Imported {
  readonly keys: VerifyingKeys;
  /** What was imported: a bundle is its holder's, who may write other bytes into it. */
  readonly mlDsaBytes: Uint8Array;
  readonly ed25519Bytes: Uint8Array;
}

// Importing expands the ML-DSA matrix, which costs as much as hashing some hundred permits.
const imported = new WeakMap<PublicKeyBundle, Imported>();

/** Throws CryptoError `KEY_CORRUPT`. */
export function verifyingKeysOf(bundle: PublicKeyBundle): VerifyingKeys {
  const { mlDsaVerifyingKey, ed25519VerifyingKey } = expectBundle(bundle);
  const known = imported.get(bundle);
  const isSame =
    known !== undefined &&
    equalBytes(known.mlDsaBytes, mlDsaVerifyingKey) &&
    equalBytes(known.ed25519Bytes, ed25519VerifyingKey);
  if (isSame) return known.keys;
  const keys = {
    mlDsa: provider.publicKey(ML_DSA_65, mlDsaVerifyingKey),
    ed25519: provider.publicKey(ED25519, ed25519VerifyingKey),
    keyIds: {
      "ml-dsa-65": keyIdOf(bundle, "ml-dsa-65"),
      "ml-dsa-65+ed25519": keyIdOf(bundle, "ml-dsa-65+ed25519"),
    },
  };
  // Not `slice`, which of a Buffer is no copy.
  const [mlDsaBytes, ed25519Bytes] = [new Uint8Array(mlDsaVerifyingKey), new Uint8Array(ed25519VerifyingKey)];
  imported.set(bundle, { keys, mlDsaBytes, ed25519Bytes });
  return keys;
}
