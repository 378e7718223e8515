/** A chain of format 1 that moves its older entries to a file, so that memory stays bounded. */
import { type FileHandle, open } from "node:fs/promises";
import { expectKeyPair, type KavachKeyPair } from "@kavach/crypto";
import type { Clock } from "@kavach/model";
import type { AuditEntry } from "./entry.ts";
import { AuditChainError } from "./errors.ts";
import { expectFlag, optionsOf } from "./options.ts";
import { SignedAuditChain } from "./signed-audit-chain.ts";

export interface ManagedChainOptions {
  /** Default true. */
  readonly hybrid?: boolean;
  /** Moves entries out when more than this many are in memory, at least 1. */
  readonly maxEntries?: number;
  /** Moves entries out when they take more than this many bytes of JSON, at least 1. */
  readonly maxBytes?: number;
  /** Moves entries out this often, seconds, 1 to 86,400. */
  readonly flushIntervalSeconds?: number;
  /** Newest entries that stay in memory, at least 0. Default 256. */
  readonly minRetained?: number;
  /** While the file takes nothing: `buffer` keeps entries in memory up to `bufferCeiling`, `reject` takes no more. Default `buffer`. */
  readonly onSinkFailure?: "buffer" | "reject";
  /** At least 1. Default 1,000,000. */
  readonly bufferCeiling?: number;
  readonly clock?: Clock;
}

const OPTIONS: ReadonlySet<string> = new Set([
  ...[
    "hybrid",
    "maxEntries",
    "maxBytes",
    "flushIntervalSeconds",
    "minRetained",
    "onSinkFailure",
    "bufferCeiling",
    "clock",
  ],
]);

/** `SignedAuditChain` with a file for its older entries. An entry is signed and in memory when `append` returns, and durable after `flush`, `drain` or `close`. */
export class ManagedAuditChain {
  readonly #chain: SignedAuditChain;
  readonly #file: FileHandle;
  readonly #options: ManagedChainOptions;
  /** JSON bytes of each entry in memory. */
  #sizes: number[] = [];
  #residentBytes: number = 0;
  #fileBytes: number = 0;
  #evicted: number = 0;
  #sinkFailures: number = 0;
  #sinkHealthy: boolean = true;
  #flushing: Promise<number> | undefined;
  readonly #timer: NodeJS.Timeout | undefined;
  #closing: Promise<void> | undefined;

  private constructor(keyPair: KavachKeyPair, file: FileHandle, options: ManagedChainOptions) {
    const { hybrid = true, clock, flushIntervalSeconds } = options;
    this.#chain = new SignedAuditChain(keyPair, { hybrid, ...(clock !== undefined && { clock }) });
    this.#file = file;
    this.#options = options;
    if (flushIntervalSeconds !== undefined) {
      this.#timer = setInterval(() => void this.#tryFlush(), flushIntervalSeconds * 1000).unref();
    }
  }

  /**
   * Begins a chain with a new file, for its owner alone. Rejects with RangeError for an option out of range, with CryptoError `KEY_CORRUPT`
   * for what is no key pair, and with whatever the file
   * system says, also when the file exists: two chains in one file verify as none.
   */
  static async create(
    keyPair: KavachKeyPair,
    path: string,
    options: ManagedChainOptions = {},
  ): Promise<ManagedAuditChain> {
    checkOptions(options);
    expectKeyPair(keyPair);
    return new ManagedAuditChain(keyPair, await open(path, "wx", 0o600), options);
  }

  /** Returns the new length. Throws AuditChainError `SINK_UNAVAILABLE` and `CLOSED`, and as SignedAuditChain does. */
  append(entry: AuditEntry): number {
    // Nobody would write it to the file any more.
    if (this.#closing !== undefined) throw new AuditChainError("CLOSED", "the chain was closed");
    const { bufferCeiling = 1_000_000, onSinkFailure = "buffer" } = this.#options;
    if (!this.#sinkHealthy && (onSinkFailure === "reject" || this.residentEntries >= bufferCeiling)) {
      void this.#tryFlush();
      throw new AuditChainError("SINK_UNAVAILABLE", "the file of the chain takes no entries");
    }
    const length = this.#chain.append(entry);
    const size = this.#chain.entriesSinceJsonl(length - 1).length;
    this.#sizes.push(size);
    this.#residentBytes += size;
    if (this.#isOverfull()) void this.#tryFlush();
    return length;
  }

  /** Moves all but the newest entries to the file now, and resolves with how many. Rejects with whatever the file system says. */
  async flush(): Promise<number> {
    return await this.#evict(this.#options.minRetained ?? 256);
  }

  /** Moves every entry to the file. Rejects as `flush` does. */
  async drain(): Promise<number> {
    return await this.#evict(0);
  }

  /** Takes no more entries, drains, and lets go of the file. Rejects as `flush` does: what was not written is in `exportTailJsonl`. */
  async close(): Promise<void> {
    this.#closing ??= this.#close();
    await this.#closing;
  }

  async #close(): Promise<void> {
    clearInterval(this.#timer);
    try {
      await this.drain();
    } finally {
      await this.#file.close();
    }
  }

  /** What is in memory; the file's bytes and these, one after the other, are the whole chain. */
  exportTailJsonl(): Uint8Array<ArrayBuffer> {
    return this.#chain.exportJsonl();
  }

  /** Sizes in bytes of JSON; `lastFlushIndex`: index of the oldest entry in memory. */
  stats() {
    return {
      entriesAppended: this.length,
      entriesEvicted: this.#evicted,
      residentEntries: this.residentEntries,
      residentBytes: this.#residentBytes,
      sinkFailures: this.#sinkFailures,
      sinkHealthy: this.#sinkHealthy,
      lastFlushIndex: this.baseIndex,
    };
  }

  get length(): number {
    return this.#chain.length;
  }
  get isEmpty(): boolean {
    return this.#chain.isEmpty;
  }
  get isHybrid(): boolean {
    return this.#chain.isHybrid;
  }
  get headHash(): string {
    return this.#chain.headHash;
  }
  get anchorHash(): string {
    return this.#chain.anchorHash;
  }
  get baseIndex(): number {
    return this.#chain.baseIndex;
  }
  get residentEntries(): number {
    return this.#chain.residentEntries;
  }
  get residentBytes(): number {
    return this.#residentBytes;
  }

  #isOverfull(): boolean {
    const { maxEntries, maxBytes, minRetained = 256 } = this.#options;
    if (this.residentEntries <= minRetained) return false;
    return this.residentEntries > (maxEntries ?? Infinity) || this.#residentBytes > (maxBytes ?? Infinity);
  }

  /** Failures are counted, and seen by the next append. */
  async #tryFlush(): Promise<void> {
    await this.flush().catch(() => {});
  }

  /** One after the other: two writers would interleave. */
  async #evict(retained: number): Promise<number> {
    while (this.#flushing !== undefined) await this.#flushing.catch(() => {});
    this.#flushing = this.#write(this.length - retained).finally(() => {
      this.#flushing = undefined;
    });
    return await this.#flushing;
  }

  async #write(before: number): Promise<number> {
    const count = before - this.baseIndex;
    if (count <= 0) return 0;
    const lines = this.exportTailJsonl();
    const bytes = lines.subarray(
      0,
      this.#sizes.slice(0, count).reduce((sum, size) => sum + size, 0),
    );
    try {
      // Whatever an earlier failure left behind is cut off first.
      await this.#file.truncate(this.#fileBytes);
      for (let at = 0; at < bytes.length; ) {
        at += (await this.#file.write(bytes, at, bytes.length - at, this.#fileBytes + at)).bytesWritten;
      }
      await this.#file.datasync();
    } catch (error) {
      this.#sinkFailures++;
      this.#sinkHealthy = false;
      throw error;
    }
    this.#sinkHealthy = true;
    this.#fileBytes += bytes.length;
    this.#chain.pruneBefore(before);
    this.#sizes = this.#sizes.slice(count);
    this.#residentBytes -= bytes.length;
    this.#evicted += count;
    return count;
  }
}

function checkOptions(options: ManagedChainOptions): void {
  const unknown = Object.keys(optionsOf(options)).find((name) => !OPTIONS.has(name));
  if (unknown !== undefined) throw new RangeError(`unknown option ${unknown}`);
  const { maxEntries, maxBytes, flushIntervalSeconds, minRetained, bufferCeiling, onSinkFailure = "buffer" } = options;
  const { hybrid = true } = options;
  expectFlag("hybrid", hybrid);
  for (const value of [maxEntries, maxBytes, flushIntervalSeconds, bufferCeiling]) {
    if (value !== undefined && !(Number.isSafeInteger(value) && value >= 1)) throw new RangeError("at least 1");
  }
  // Timers count milliseconds in 31 bits, and fire at once beyond.
  if (flushIntervalSeconds !== undefined && flushIntervalSeconds > 86_400) {
    throw new RangeError("flushIntervalSeconds is at most 86,400");
  }
  if (minRetained !== undefined && !(Number.isSafeInteger(minRetained) && minRetained >= 0)) {
    throw new RangeError("minRetained is a whole number of at least 0");
  }
  if (onSinkFailure !== "buffer" && onSinkFailure !== "reject")
    throw new RangeError("onSinkFailure is buffer or reject");
}
