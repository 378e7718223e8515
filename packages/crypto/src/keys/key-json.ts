/** Reads the tagged JSON of key files: magic, one version byte, then one JSON object with byte values as arrays of numbers. */
import { CryptoError } from "../errors.ts";
import { equalBytes } from "../framing.ts";
import { instantMs } from "../instant.ts";
import { parseJsonStrictly } from "../strict-json.ts";

export const KEY_FORM_VERSION = Uint8Array.of(1);

/** A key file is some 20 KiB; anything much longer is none. */
const FORM_BYTES_MAX = 256 * 1024;

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

const corrupt = (message: string, cause?: unknown) => new CryptoError("KEY_CORRUPT", message, { cause });

/** The JSON value behind the magic. Throws CryptoError `KEY_CORRUPT`. */
export function decodeTagged(magic: Uint8Array, bytes: Uint8Array): unknown {
  const headLength = magic.length + KEY_FORM_VERSION.length;
  if (!(bytes instanceof Uint8Array)) throw corrupt("a key file is bytes");
  if (bytes.length > FORM_BYTES_MAX) throw corrupt("the key file is too long");
  if (!equalBytes(bytes.subarray(0, magic.length), magic)) throw corrupt("the bytes are not of this key form");
  if (!equalBytes(bytes.subarray(magic.length, headLength), KEY_FORM_VERSION))
    throw corrupt("unknown key form version");
  try {
    return parseJsonStrictly(decoder.decode(bytes.subarray(headLength)));
  } catch {
    // The parser's message quotes its input, which may be a secret.
    throw corrupt("the key file holds no JSON");
  }
}

/** Typed access to the members of a parsed key. Messages name members and never quote values. */
export function keyFields(json: unknown) {
  if (typeof json !== "object" || json === null || Array.isArray(json)) throw corrupt("a key is a JSON object");
  const member = (name: string): unknown => (Object.hasOwn(json, name) ? json[name as keyof typeof json] : undefined);
  const text = (name: string): string => {
    const value = member(name);
    if (typeof value !== "string" || value === "" || !value.isWellFormed()) throw corrupt(`${name}: not a text`);
    return value;
  };
  const instant = (name: string): string => {
    const value = text(name);
    instantMs(value);
    return value;
  };
  return {
    text,
    instant,
    /** Absent reads as null. */
    instantOrNull: (name: string): string | null => ((member(name) ?? null) === null ? null : instant(name)),
    bytes: (name: string, length: number): Uint8Array<ArrayBuffer> => bytesOf(name, member(name), length),
  };
}

function bytesOf(name: string, value: unknown, length: number): Uint8Array<ArrayBuffer> {
  if (!Array.isArray(value) || value.length !== length) throw corrupt(`${name}: not ${length} bytes`);
  for (const byte of value) {
    if (!Number.isInteger(byte) || byte < 0 || byte > 255) throw corrupt(`${name}: not an array of bytes`);
  }
  return Uint8Array.from(value as number[]);
}
