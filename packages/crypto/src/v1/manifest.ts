/** Manifests of format 1: a JSON array of bundles, and the same as a text that the root has signed. */
import { ML_DSA_65 } from "../algorithms.ts";
import { DirectoryError } from "../errors.ts";
import { utf8 } from "../framing.ts";
import { bundleFromJson, bundleToJson, checkedBundles, type PublicKeyBundle } from "../keys/public-key-bundle.ts";
import { provider } from "../provider.ts";
import { parseJsonStrictly } from "../strict-json.ts";

const NO_CONTEXT = new Uint8Array(0);
/** Thousands of keys fit; what is longer is no manifest of either format. */
export const MANIFEST_BYTES_MAX: number = 64 * 1024 * 1024;
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Throws CryptoError `KEY_CORRUPT` for a damaged bundle. */
export function buildUnsignedManifestV1(bundles: readonly PublicKeyBundle[]): Uint8Array<ArrayBuffer> {
  return utf8(textOf(bundles));
}

function textOf(bundles: readonly PublicKeyBundle[]): string {
  return JSON.stringify(checkedBundles(bundles).map(bundleToJson));
}

/** `sign`: ML-DSA-65 by the root, with an empty context. Throws CryptoError `KEY_CORRUPT` for a damaged bundle. */
export function encodeSignedManifestV1(
  bundles: readonly PublicKeyBundle[],
  sign: (message: Uint8Array) => Uint8Array,
): Uint8Array<ArrayBuffer> {
  const text = textOf(bundles);
  return utf8(JSON.stringify({ bundles_json: text, signature: [...sign(utf8(text))] }));
}

/** Throws DirectoryError `Corrupt`, also for a key of the wrong length. Of two bundles of one id, the later counts. */
export function parseUnsignedManifestV1(bytes: Uint8Array): PublicKeyBundle[] {
  return parseBundles(decoded(bytes));
}

/** Throws DirectoryError `RootSignatureInvalid` or `Corrupt`. */
export function parseSignedManifestV1(bytes: Uint8Array, rootMlDsaVerifyingKey: Uint8Array): PublicKeyBundle[] {
  const json = parseJson(decoded(bytes));
  const { bundles_json: text, signature } = Object(json) as { bundles_json?: unknown; signature?: unknown };
  if (typeof text !== "string" || !text.isWellFormed() || !isBytes(signature)) throw corrupt();
  const root = provider.publicKey(ML_DSA_65, rootMlDsaVerifyingKey);
  // Of a list of millions no copy is made.
  const isSignature = signature.length === ML_DSA_65.signatureBytes;
  if (!isSignature || !provider.verify(ML_DSA_65, root, utf8(text), NO_CONTEXT, Uint8Array.from(signature))) {
    throw new DirectoryError("RootSignatureInvalid", "the root's signature does not verify");
  }
  return parseBundles(text);
}

function parseBundles(text: string): PublicKeyBundle[] {
  const json = parseJson(text);
  if (!Array.isArray(json)) throw corrupt();
  try {
    return json.map(bundleFromJson);
  } catch (cause) {
    throw corrupt(cause);
  }
}

/** Quotes, brackets and braces: a bundle has some 25 of them, and at least 6,400 bytes. */
const MARKS: Uint8Array = new Uint8Array(256);
for (const mark of '"[{') MARKS[mark.charCodeAt(0)] = 1;
const BYTES_PER_MARK_MIN = 50;
const MARKS_OF_FEW = 1000;

/** What is dense with objects, lists and texts holds no keys, and would cost its parser many times its length. */
function isDense(bytes: Uint8Array): boolean {
  let marks = 0;
  for (const byte of bytes) marks += MARKS[byte] as number;
  return marks > MARKS_OF_FEW + bytes.length / BYTES_PER_MARK_MIN;
}

function decoded(bytes: Uint8Array): string {
  if (bytes.length > MANIFEST_BYTES_MAX || isDense(bytes)) throw corrupt();
  try {
    return decoder.decode(bytes);
  } catch (cause) {
    throw corrupt(cause);
  }
}

function parseJson(text: string): unknown {
  try {
    return parseJsonStrictly(text);
  } catch (cause) {
    throw corrupt(cause);
  }
}

function isBytes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((byte) => Number.isInteger(byte) && byte >= 0 && byte <= 255);
}

const corrupt = (cause?: unknown) => new DirectoryError("Corrupt", "the bytes are no manifest", { cause });
