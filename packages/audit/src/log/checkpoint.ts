/**
 * Checkpoints: what a signer vouches for of a log. Text as C2SP tlog-checkpoint has it, in a signed note with one line for each algorithm
 * of the suite; the extension lines say when, in which suite and by which key, so that these are signed too.
 */
import { join } from "node:path";
import {
  type AuditSignature,
  expiresAtMsOf,
  HASH_BYTES,
  isSuite,
  type KavachKeyPair,
  keyIdOf,
  type PublicKeyBundle,
  SUITE_HAS_ED25519,
  type Suite,
  sha256,
  signAuditCheckpoint,
  verifyAuditCheckpoint,
} from "@kavach/crypto";
import { AuditLogError } from "../errors.ts";
import { CHECKPOINT } from "./layout.ts";
import { isOfFileSystem, NoFileError, readIfThere, SMALL_BYTES_MAX } from "./plain-file.ts";
import type { PublishedCheckpoint } from "./registry.ts";

export interface Checkpoint {
  /** Names the log: 1 to 256 printable ASCII characters without a blank or a plus. */
  readonly origin: string;
  /** Number of entries. */
  readonly size: number;
  /** Root of their Merkle tree (RFC 9162, section 2.1.1), 32 bytes. */
  readonly root: Uint8Array;
  /** Unix milliseconds, whole. */
  readonly atMs: number;
  readonly suite: Suite;
  /** Lower hex, as `keyIdOf` computes it. */
  readonly keyId: string;
}

export const ORIGIN_FORM: RegExp = /^[!-*,-~]{1,256}$/;
const TEXT_FORM =
  /^(?<origin>[!-*,-~]{1,256})\n(?<size>0|[1-9]\d{0,15})\n(?<root>[A-Za-z0-9+/]{43}=)\ntime (?<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)\nsuite (?<suite>[a-z0-9+-]+)\nkey (?<key>[0-9a-f]{32})\n$/;
const LINE_FORM = /^— (?<name>[!-*,-~]+) (?<bytes>[A-Za-z0-9+/]+={0,2})$/;
/** Signature type of a signed note whose algorithm is named in full. */
const NAMED_TYPE = 0xff;
const KEY_HASH_BYTES = 4;

const utf8 = (text: string) => new TextEncoder().encode(text);
const toBase64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64");

/** The last instant whose year has four digits, Unix milliseconds. */
const AT_MS_MAX = Date.UTC(9999, 11, 31, 23, 59, 59, 999);

function textOf({ origin, size, root, atMs, suite, keyId }: Checkpoint): string {
  const time = new Date(atMs).toISOString();
  return `${origin}\n${size}\n${toBase64(root)}\ntime ${time}\nsuite ${suite}\nkey ${keyId}\n`;
}

/** The algorithms of a suite, each with what it signs with and where its signature lies. */
function partsOf(suite: Suite, bundle: PublicKeyBundle) {
  const mlDsa = { algorithm: "ML-DSA-65", member: "mlDsa", key: bundle.mlDsaVerifyingKey } as const;
  const ed25519 = { algorithm: "Ed25519", member: "ed25519", key: bundle.ed25519VerifyingKey } as const;
  return SUITE_HAS_ED25519[suite] ? [mlDsa, ed25519] : [mlDsa];
}

const keyName = (keyId: string) => `kavach-audit/${keyId}`;

/** C2SP signed-note: the first bytes of SHA-256 over name, line break, type, and what the type says of the key. */
function keyHash(name: string, algorithm: string, key: Uint8Array): Uint8Array {
  const type = Uint8Array.of(NAMED_TYPE);
  return sha256(utf8(`${name}\n`), type, utf8(`kavach-audit-checkpoint-v2/${algorithm}\n`), key).subarray(
    0,
    KEY_HASH_BYTES,
  );
}

/** The signed note. Rejects with RangeError for a time that has no text (a clock that is broken), and as the key's signing does. */
export async function signCheckpoint(
  checkpoint: Omit<Checkpoint, "keyId">,
  keyPair: KavachKeyPair,
): Promise<Uint8Array<ArrayBuffer>> {
  const { suite, atMs } = checkpoint;
  if (!(Number.isSafeInteger(atMs) && atMs >= 0 && atMs <= AT_MS_MAX)) throw new RangeError("no time of a checkpoint");
  const bundle = keyPair.publicKeys();
  const keyId = keyIdOf(bundle, suite);
  const text = textOf({ ...checkpoint, keyId });
  const signature = await signAuditCheckpoint(suite, keyPair, utf8(text));
  const lines = partsOf(suite, bundle).map(({ algorithm, member, key }) => {
    const bytes = Buffer.concat([keyHash(keyName(keyId), algorithm, key), signature[member]]);
    return `— ${keyName(keyId)} ${toBase64(bytes)}\n`;
  });
  return utf8(`${text}\n${lines.join("")}`);
}

interface Note {
  readonly checkpoint: Checkpoint;
  readonly text: string;
  readonly lines: readonly string[];
}

/** The note in a file; undefined where there is none. Rejects with AuditLogError `CHECKPOINT_MALFORMED`, and with whatever the file system says. */
export async function readNote(path: string): Promise<Uint8Array | undefined> {
  try {
    return await readIfThere(path);
  } catch (error) {
    if (error instanceof NoFileError) throw new AuditLogError("CHECKPOINT_MALFORMED", error.message);
    throw error;
  }
}

/**
 * The newest checkpoint of a log as it lies beside it, whoever signed it; undefined where none can be read. To be held to copies of the log
 * in other folders.
 */
export async function newestCheckpoint(folder: string): Promise<PublishedCheckpoint | undefined> {
  try {
    const note = await readNote(join(folder, CHECKPOINT));
    if (note === undefined) return undefined;
    const { origin, size } = readCheckpoint(note);
    return { origin, size, note };
  } catch (error) {
    if (error instanceof AuditLogError || isOfFileSystem(error)) return undefined;
    throw error;
  }
}

/** What a note says, whoever signed it. Throws AuditLogError `CHECKPOINT_MALFORMED`. */
export function readCheckpoint(note: Uint8Array): Checkpoint {
  return parseNote(note).checkpoint;
}

function parseNote(note: Uint8Array): Note {
  const malformed = new AuditLogError("CHECKPOINT_MALFORMED", "the bytes are no checkpoint");
  if (!(note instanceof Uint8Array) || note.length > SMALL_BYTES_MAX) throw malformed;
  const whole = Buffer.from(note).toString("utf8");
  const end = whole.indexOf("\n\n") + 1;
  const text = whole.slice(0, end);
  const lines = whole.slice(end + 1).split("\n");
  const { origin, size, root, time, suite, key } = TEXT_FORM.exec(text)?.groups ?? {};
  if (origin === undefined || root === undefined || time === undefined || key === undefined) throw malformed;
  if (lines.pop() !== "" || !isSuite(suite ?? "")) throw malformed;
  const checkpoint: Checkpoint = {
    origin,
    size: Number(size),
    root: new Uint8Array(Buffer.from(root, "base64")),
    atMs: Date.parse(time),
    suite: suite as Suite,
    keyId: key,
  };
  const whereFrom = checkpoint.root.length === HASH_BYTES && Number.isSafeInteger(checkpoint.size);
  if (!whereFrom || Number.isNaN(checkpoint.atMs) || textOf(checkpoint) !== text) throw malformed;
  return { checkpoint, text, lines };
}

/** Whose checkpoints are believed. */
export interface TrustedKeys {
  /** Keys that sign checkpoints, now and formerly. */
  readonly bundles: readonly PublicKeyBundle[];
  /** The one suite that is accepted. */
  readonly suite: Suite;
}

/** What a note says. Rejects with AuditLogError `CHECKPOINT_MALFORMED` or `CHECKPOINT_UNTRUSTED`. */
export async function openCheckpoint(note: Uint8Array, { bundles, suite }: TrustedKeys): Promise<Checkpoint> {
  const { checkpoint, text, lines } = parseNote(note);
  const untrusted = (why: string) => new AuditLogError("CHECKPOINT_UNTRUSTED", why);
  if (checkpoint.suite !== suite) throw untrusted(`signed in suite '${checkpoint.suite}'`);
  if (!Array.isArray(bundles)) throw untrusted("there is no list of trusted keys");
  const bundle = (bundles as readonly PublicKeyBundle[]).find((one) => keyIdOf(one, suite) === checkpoint.keyId);
  if (bundle === undefined) throw untrusted("signed by a key that is not trusted");
  if (!(checkpoint.atMs < expiresAtMsOf(bundle))) throw untrusted("signed after its key had expired");
  const signature = signatureOf(lines, checkpoint.keyId, suite, bundle);
  if (signature === undefined || !(await verifyAuditCheckpoint(suite, bundle, utf8(text), signature))) {
    throw untrusted("its signature does not verify");
  }
  return checkpoint;
}

/** Exactly one line for each algorithm, in order. */
function signatureOf(
  lines: readonly string[],
  keyId: string,
  suite: Suite,
  bundle: PublicKeyBundle,
): AuditSignature | undefined {
  const parts = partsOf(suite, bundle);
  const signature = { mlDsa: new Uint8Array(0), ed25519: new Uint8Array(0) };
  if (lines.length !== parts.length) return undefined;
  for (const [i, { algorithm, member, key }] of parts.entries()) {
    const { name, bytes: text = "" } = LINE_FORM.exec(lines[i] as string)?.groups ?? {};
    const bytes = new Uint8Array(Buffer.from(text, "base64"));
    const [hash, rest] = [bytes.subarray(0, KEY_HASH_BYTES), bytes.slice(KEY_HASH_BYTES)];
    const known = Buffer.compare(hash, keyHash(keyName(keyId), algorithm, key)) === 0;
    if (name !== keyName(keyId) || !known || toBase64(bytes) !== text) return undefined;
    signature[member] = rest;
  }
  return signature;
}
