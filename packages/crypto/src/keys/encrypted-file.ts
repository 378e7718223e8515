/**
 * The encrypted form of a key file: a text block like PEM, whose first lines name scrypt (RFC 7914) and ChaCha20-Poly1305 (RFC 8439)
 * with their parameters. Those lines are bound to the ciphertext, so that none of them can be changed.
 */
import { AEAD } from "../algorithms.ts";
import { CryptoError } from "../errors.ts";
import { utf8 } from "../framing.ts";
import { provider, type ScryptCost } from "../provider.ts";

const BEGIN = "-----BEGIN KAVACH ENCRYPTED KEY-----";
const END = "-----END KAVACH ENCRYPTED KEY-----";
const SALT_BYTES = 16;
/** Costs that are taken from a file: what is dearer would be a way to stall its reader, what is cheaper protects nothing. */
export const WORK_FACTOR = Object.freeze({ min: 14, max: 20, default: 17 });
const COST_R = 8;
const COST_P = 1;
const LINE_LENGTH = 64;
/** What is longer is no key file. */
export const KEY_FILE_BYTES_MAX: number = 512 * 1024;

const FORM = new RegExp(
  [
    `^${BEGIN}`,
    "(?<head>Kdf: scrypt ln=(?<ln>\\d{2}) r=8 p=1 salt=(?<salt>[A-Za-z0-9+/=]+)",
    "Cipher: chacha20-poly1305 nonce=(?<nonce>[A-Za-z0-9+/=]+))",
    "",
    `(?<body>(?:[A-Za-z0-9+/=]+\\n)+)${END}\\n?$`,
  ].join("\\n"),
);

/** `workFactor`: binary logarithm of scrypt's cost, 14 to 20; 17 needs 128 MiB for some half a second. */
export async function encryptFile(
  content: Uint8Array,
  passphrase: string,
  workFactor: number = WORK_FACTOR.default,
): Promise<Uint8Array<ArrayBuffer>> {
  if (!Number.isSafeInteger(workFactor) || workFactor < WORK_FACTOR.min || workFactor > WORK_FACTOR.max) {
    throw new CryptoError(
      "OPTION_INVALID",
      `workFactor is a whole number from ${WORK_FACTOR.min} to ${WORK_FACTOR.max}`,
    );
  }
  const [salt, nonce] = [provider.randomBytes(SALT_BYTES), provider.randomBytes(AEAD.nonceBytes)];
  const head = [
    `Kdf: scrypt ln=${workFactor} r=${COST_R} p=${COST_P} salt=${toBase64(salt)}`,
    `Cipher: chacha20-poly1305 nonce=${toBase64(nonce)}`,
  ].join("\n");
  const key = await keyOf(passphrase, salt, workFactor);
  const body = toBase64(provider.encrypt({ key, nonce, associated: utf8(head) }, content));
  key.fill(0);
  const lines = body.match(new RegExp(`.{1,${LINE_LENGTH}}`, "g")) ?? [];
  return utf8([BEGIN, head, "", ...lines, END, ""].join("\n"));
}

/** Whether the bytes begin as an encrypted file does. */
export function isEncryptedFile(bytes: Uint8Array): boolean {
  return Buffer.from(bytes.subarray(0, BEGIN.length)).toString("latin1") === BEGIN;
}

/** Rejects with CryptoError `KEY_CORRUPT` when the form is another, and `PASSPHRASE_WRONG`. The caller wipes what it gets. */
export async function decryptFile(bytes: Uint8Array, passphrase: string): Promise<Uint8Array<ArrayBuffer>> {
  const text = bytes.length <= KEY_FILE_BYTES_MAX ? Buffer.from(bytes).toString("latin1") : "";
  const { head, ln, salt, nonce, body } = FORM.exec(text)?.groups ?? {};
  const workFactor = Number(ln);
  const known = workFactor >= WORK_FACTOR.min && workFactor <= WORK_FACTOR.max;
  if (head === undefined || salt === undefined || nonce === undefined || body === undefined || !known) {
    throw new CryptoError("KEY_CORRUPT", "the file is no encrypted key file");
  }
  const key = await keyOf(passphrase, fromBase64(salt), workFactor);
  const content = provider.decrypt({ key, nonce: fromBase64(nonce), associated: utf8(head) }, fromBase64(body));
  key.fill(0);
  if (content === undefined) {
    throw new CryptoError("PASSPHRASE_WRONG", "the passphrase is another, or the key file was changed");
  }
  return content;
}

async function keyOf(passphrase: string, salt: Uint8Array, workFactor: number): Promise<Uint8Array<ArrayBuffer>> {
  if (typeof passphrase !== "string" || passphrase === "" || !passphrase.isWellFormed()) {
    throw new CryptoError("OPTION_INVALID", "the passphrase is a text that is not empty");
  }
  const cost: ScryptCost = { n: 2 ** workFactor, r: COST_R, p: COST_P };
  // One form for all keyboards: composed and decomposed letters look alike.
  return await provider.scrypt(utf8(passphrase.normalize("NFC")), salt, cost);
}

const toBase64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64");
const fromBase64 = (text: string) => new Uint8Array(Buffer.from(text, "base64"));
