/**
 * A chain of signed entries of format 1, as existing Kavach readers know it. Nothing signs the order: a tail that is cut off, or a middle
 * that is cut out with the hashes made anew, verifies. The log that services write has no such holes; prefer it.
 */
import {
  CryptoError,
  expectKeyPair,
  HYBRID_SUITE,
  instantText,
  type KavachKeyPair,
  type PublicKeyBundle,
  randomBytes,
  type Suite,
  signPayload,
} from "@kavach/crypto";
import { type Clock, uuidFromRandom } from "@kavach/model";
import { SYSTEM_CLOCK } from "@kavach/system";
import { AuditEntry } from "./entry.ts";
import { AuditChainError } from "./errors.ts";
import { ChainWalk, GENESIS, type Link, linkFromLine, linkHash, linkToLine } from "./link.ts";
import { expectFlag, expectNoOther, optionsOf } from "./options.ts";

export interface ChainOptions {
  /** Signs with Ed25519 beside ML-DSA-65. Default true. */
  readonly hybrid?: boolean;
  /** Absent: this machine's. */
  readonly clock?: Clock;
}

export interface VerifyChainOptions {
  /** What the chain must be. Absent: whatever its first entry is, so that a chain made anew without Ed25519 passes. */
  readonly hybrid?: boolean;
}

/** Throws RangeError for what is no flag. */
function suiteOf(hybrid: boolean): Suite {
  expectFlag("hybrid", hybrid);
  return hybrid ? HYBRID_SUITE : "ml-dsa-65";
}

/**
 * Entries signed one by one and chained by SHA-256, in memory. Nothing signs the order: a tail that is cut off, an empty chain, and a middle that
 * is cut out with the hashes made anew all verify. `AuditLog` has no such holes.
 */
export class SignedAuditChain {
  readonly #keyPair: KavachKeyPair;
  readonly #suite: Suite;
  readonly #clock: Clock;
  /** The links that were not pruned. */
  #links: Link[] = [];
  #baseIndex: number = 0;
  #anchorHash: string = GENESIS;

  /** Throws RangeError for an unknown option and a flag that is none, and CryptoError `KEY_CORRUPT` for what is no key pair. */
  constructor(keyPair: KavachKeyPair, options: ChainOptions = {}) {
    const { hybrid = true, clock = SYSTEM_CLOCK, ...unknown } = optionsOf(options);
    expectNoOther(unknown);
    expectKeyPair(keyPair);
    this.#keyPair = keyPair;
    this.#suite = suiteOf(hybrid);
    this.#clock = clock;
  }

  /** Returns the new length. Throws CryptoError `KEY_EXPIRED` or `KEY_DISPOSED`, and RangeError for what is no entry. */
  append(entry: AuditEntry): number {
    if (!(entry instanceof AuditEntry)) throw new RangeError("not an AuditEntry");
    const nowMs = Math.floor(this.#clock.nowMs());
    if (this.#keyPair.isExpiredAt(nowMs)) throw new CryptoError("KEY_EXPIRED", "the audit key has expired");
    const nonce = uuidFromRandom(randomBytes(16));
    const payload = signPayload(this.#suite, this.#keyPair, entry.dataBytes(), nonce, instantText(nowMs));
    const [index, previousHash] = [this.length, this.headHash];
    this.#links.push({ index, previousHash, payload, entryHash: linkHash(index, previousHash, payload) });
    return this.length;
  }

  /** Entries that were ever appended. */
  get length(): number {
    return this.#baseIndex + this.#links.length;
  }

  get isEmpty(): boolean {
    return this.length === 0;
  }

  get isHybrid(): boolean {
    return this.#suite === HYBRID_SUITE;
  }

  /** Hash of the newest entry; `genesis` before the first. */
  get headHash(): string {
    return this.#links.at(-1)?.entryHash ?? this.#anchorHash;
  }

  /** Index of the oldest entry that is still in memory. */
  get baseIndex(): number {
    return this.#baseIndex;
  }

  /** Hash of the newest entry that was pruned; `genesis` where none was. */
  get anchorHash(): string {
    return this.#anchorHash;
  }

  /** Entries in memory. */
  get residentEntries(): number {
    return this.#links.length;
  }

  /** The entries in memory, in this chain's own mode. Throws AuditChainError. */
  verify(bundle: PublicKeyBundle): void {
    const walk = new ChainWalk(bundle, this.#suite, this.#baseIndex, this.#anchorHash);
    for (const link of this.#links) walk.step(link);
  }

  /** The entries in memory, a JSON line each. */
  exportJsonl(): Uint8Array<ArrayBuffer> {
    return this.entriesSinceJsonl(this.#baseIndex);
  }

  /** From index `from` on. Throws AuditChainError `OUT_OF_RANGE` for one that was pruned. */
  entriesSinceJsonl(from: number): Uint8Array<ArrayBuffer> {
    const lines = this.#links.slice(this.#offsetOf(from)).map((link) => `${linkToLine(link)}\n`);
    return new TextEncoder().encode(lines.join(""));
  }

  /**
   * Drops entries before index `before` from memory, and returns how many. They cannot be had again: write them out before. Length and head
   * stay as they are. Throws AuditChainError `OUT_OF_RANGE` for an index beyond the end.
   */
  pruneBefore(before: number): number {
    if (Number.isSafeInteger(before) && before < this.#baseIndex) return 0;
    const count = this.#offsetOf(before);
    this.#anchorHash = this.#links[count - 1]?.entryHash ?? this.#anchorHash;
    this.#links = this.#links.slice(count);
    this.#baseIndex += count;
    return count;
  }

  /**
   * A whole chain, from its first entry; how many there are. Throws AuditChainError, CryptoError `KEY_CORRUPT` for a bundle that is none, and
   * RangeError for an unknown option and a flag that is none.
   */
  static verifyJsonl(blob: Uint8Array, bundle: PublicKeyBundle, options: VerifyChainOptions = {}): number {
    return SignedAuditChain.verifyJsonlSegments([blob], bundle, options);
  }

  /** A whole chain in several files, in order, such as those on the disk and the rest that is in memory. Throws as `verifyJsonl` does. */
  static verifyJsonlSegments(
    segments: readonly Uint8Array[],
    bundle: PublicKeyBundle,
    options: VerifyChainOptions = {},
  ): number {
    const { hybrid, ...unknown } = optionsOf(options);
    expectNoOther(unknown);
    const walk = new ChainWalk(bundle, hybrid === undefined ? undefined : suiteOf(hybrid));
    // A Uint8Array is a list of numbers, and no list of segments: it would verify as an empty chain.
    if (!Array.isArray(segments)) throw new RangeError("segments are a list");
    for (const segment of segments) {
      for (const line of linesOf(segment)) walk.step(linkFromLine(textOf(line, walk.count), walk.count));
    }
    return walk.count;
  }

  #offsetOf(index: number): number {
    const offset = index - this.#baseIndex;
    if (Number.isSafeInteger(index) && offset >= 0 && offset <= this.#links.length) return offset;
    throw new AuditChainError("OUT_OF_RANGE", "there is no such entry in memory");
  }
}

const NEWLINE = 0x0a;
/** Space, tab, form feed and carriage return: what makes a line blank to existing readers, and nothing else. */
const BLANKS: ReadonlySet<number> = new Set([0x20, 0x09, 0x0c, 0x0d]);

/** Without those that are blank. */
function* linesOf(segment: Uint8Array): Generator<Uint8Array> {
  // What has no length has no lines either, and would verify as an empty chain.
  if (!(segment instanceof Uint8Array)) throw new AuditChainError("ENTRY_UNREADABLE", "a chain is read from bytes");
  for (let start = 0; start < segment.length; ) {
    const found = segment.indexOf(NEWLINE, start);
    const end = found < 0 ? segment.length : found;
    const line = segment.subarray(start, end);
    if (!line.every((byte) => BLANKS.has(byte))) yield line;
    start = end + 1;
  }
}

/** A byte order mark is kept, and then is no entry: nothing but JSON stands in a chain. */
function textOf(line: Uint8Array, place: number): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(line);
  } catch (cause) {
    throw new AuditChainError("ENTRY_UNREADABLE", "the line is not UTF-8", place, { cause });
  }
}
