/** The signature of a permit of format 1: a JSON object that names its own algorithm and key, neither of which is signed. */
import { ED25519, ML_DSA_65, SUITE_HAS_ED25519, type Suite } from "../algorithms.ts";
import { TokenError } from "../errors.ts";
import { utf8 } from "../framing.ts";
import { type PublicKey, provider, type SecretKey } from "../provider.ts";
import { parseJsonStrictly } from "../strict-json.ts";

/** An envelope is some 12 KiB. */
const ENVELOPE_BYTES_MAX = 64 * 1024;
/** Format 1 signs without a context string. */
const NO_CONTEXT = new Uint8Array(0);

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export interface Envelope {
  readonly keyId: string;
  readonly algorithm: string;
  readonly mlDsaSignature: Uint8Array;
  readonly ed25519Signature: Uint8Array | undefined;
}

/** Throws TokenError `EnvelopeParse`. Unknown names are ignored, as existing verifiers do. */
export function decodeEnvelope(bytes: Uint8Array): Envelope {
  const json = parsed(bytes);
  const member = (name: string): unknown => (Object.hasOwn(json, name) ? json[name as keyof typeof json] : undefined);
  const text = (name: string): string => {
    const value = member(name);
    if (typeof value !== "string") throw unreadable(`${name} is not a text`);
    return value;
  };
  const ed25519 = member("ed25519_signature") ?? undefined;
  return {
    keyId: text("key_id"),
    algorithm: text("algorithm"),
    mlDsaSignature: bytesOf("ml_dsa_signature", member("ml_dsa_signature")),
    ed25519Signature: ed25519 === undefined ? undefined : bytesOf("ed25519_signature", ed25519),
  };
}

function parsed(bytes: Uint8Array): object {
  if (!(bytes instanceof Uint8Array) || bytes.length > ENVELOPE_BYTES_MAX) throw unreadable("too long, or no bytes");
  let json: unknown;
  try {
    json = parseJsonStrictly(decoder.decode(bytes));
  } catch {
    throw unreadable("not JSON");
  }
  if (typeof json !== "object" || json === null || Array.isArray(json)) throw unreadable("not an object");
  return json;
}

function bytesOf(name: string, value: unknown): Uint8Array {
  const isByte = (byte: unknown) => Number.isInteger(byte) && (byte as number) >= 0 && (byte as number) <= 255;
  if (!Array.isArray(value) || !value.every(isByte)) throw unreadable(`${name} is not an array of bytes`);
  return Uint8Array.from(value as number[]);
}

const unreadable = (why: string) => new TokenError("EnvelopeParse", `token envelope: ${why}`);

export interface EnvelopeSecrets {
  readonly mlDsa: SecretKey;
  readonly ed25519: SecretKey | undefined;
}

/** The envelope's bytes: compact JSON in the order that existing signers write. */
export async function sealEnvelope(
  suite: Suite,
  keyId: string,
  keys: EnvelopeSecrets,
  message: Uint8Array,
): Promise<Uint8Array<ArrayBuffer>> {
  const mlDsa = provider.signInBackground(ML_DSA_65, keys.mlDsa, message, NO_CONTEXT);
  const ed25519 = keys.ed25519 && provider.sign(ED25519, keys.ed25519, message, NO_CONTEXT);
  const json = {
    key_id: keyId,
    algorithm: suite,
    ml_dsa_signature: [...(await mlDsa)],
    ...(ed25519 !== undefined && { ed25519_signature: [...ed25519] }),
  };
  return utf8(JSON.stringify(json));
}

/** Throws TokenError `AlgorithmMismatch`: a verifier of one suite takes no other. */
export function expectAlgorithm(envelope: Envelope, suite: Suite): void {
  if (envelope.algorithm === suite) return;
  throw new TokenError("AlgorithmMismatch", `the verifier expects '${suite}'`);
}

export interface EnvelopeKeys {
  readonly mlDsa: PublicKey;
  readonly ed25519: PublicKey | undefined;
}

/** Rejects with TokenError `SignatureInvalid`. In suite `ml-dsa-65`, an Ed25519 signature that is there is not looked at. */
export async function verifyEnvelope(
  envelope: Envelope,
  suite: Suite,
  keys: EnvelopeKeys,
  message: Uint8Array,
): Promise<void> {
  const { mlDsaSignature, ed25519Signature } = envelope;
  if (SUITE_HAS_ED25519[suite]) {
    const verified =
      ed25519Signature !== undefined &&
      keys.ed25519 !== undefined &&
      provider.verify(ED25519, keys.ed25519, message, NO_CONTEXT, ed25519Signature);
    if (!verified) throw new TokenError("SignatureInvalid", "the Ed25519 signature does not verify");
  }
  if (!(await provider.verifyInBackground(ML_DSA_65, keys.mlDsa, message, NO_CONTEXT, mlDsaSignature))) {
    throw new TokenError("SignatureInvalid", "the ML-DSA-65 signature does not verify");
  }
}
