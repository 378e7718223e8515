/**
 * The append-only log of one replica: every entry is durable before it is acknowledged and a leaf of a Merkle tree whose head is signed at
 * least every second. It keeps nothing of the entries in memory.
 */
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { MerkleFrontier } from "@kavach/crypto";
import { passesByItself } from "../disk-failure.ts";
import { AuditError } from "../errors.ts";
import { type AuditRecord, recordLine } from "../record.ts";
import type { AuditSink } from "../sink.ts";
import { Checkpointing } from "./checkpointing.ts";
import { encodeGroup } from "./group.ts";
import { CHECKPOINT, replaceFile, segmentCheckpointName, segmentName } from "./layout.ts";
import { LINE_BYTES_MAX } from "./lines.ts";
import { type OpenedFolder, type Opening, openFolder } from "./opening.ts";
import { Segment } from "./segment.ts";
import { type AuditLogOptions, checkedSettings, type Settings } from "./settings.ts";
import { expectLiveKey, signFrontier } from "./signing.ts";
import { lockForWriting, type Unlock } from "./writer-lock.ts";

interface Waiting {
  /** JSON of the record. */
  readonly record: string;
  readonly sizeBytes: number;
  readonly resolve: () => void;
  readonly reject: (error: AuditError) => void;
}

/** Most entries of one group, and most bytes before its last entry, so that a group stays small. */
const GROUP_MAX = 1000;
const GROUP_BYTES_MAX = 1024 * 1024;
/** Most bytes that wait for the disk. */
const WAITING_BYTES_MAX = 64 * 1024 * 1024;
/** One for all: a log that cannot keep up must not spend its time on stack traces. */
const FULL = new AuditError("SINK_FULL", "too many entries wait");
/** What an entry's index adds to its line. */
const INDEX_BYTES_MAX = 64;

/** A signed log on the disk (docs/security/audit.md), for one process. `verifyLog` and `kavach audit verify` read it. */
export class AuditLog implements AuditSink {
  /** The log's name, in every checkpoint of it. */
  readonly origin: string;
  /** What was found in the folder. */
  readonly opening: Opening;
  readonly #settings: Settings;
  readonly #folder: string;
  readonly #unlock: Unlock;
  readonly #frontier: MerkleFrontier;
  #segment: Segment;
  #waiting: Waiting[] = [];
  #waitingBytes: number = 0;
  #writing: Promise<void> | undefined;
  readonly #checkpoints: Checkpointing;
  #timer: NodeJS.Timeout | undefined;
  #stopped: AuditError | undefined;
  #closed: boolean = false;

  private constructor(settings: Settings, unlock: Unlock, opened: OpenedFolder) {
    this.#settings = settings;
    this.#unlock = unlock;
    this.origin = opened.origin;
    this.opening = opened.opening;
    this.#folder = opened.folder;
    this.#segment = opened.segment;
    this.#frontier = opened.frontier;
    this.#checkpoints = new Checkpointing(settings, {
      ...opened,
      write: (note) => this.#onDisk(replaceFile(opened.folder, CHECKPOINT, note)),
    });
  }

  /**
   * Goes on with the log in the folder, or begins a new one. Rejects with AuditError `OPTION_INVALID`, `KEY_EXPIRED`, `LOG_IN_USE`,
   * `LOCK_UNAVAILABLE`, `REGISTRY_UNAVAILABLE`, and with whatever the file system says.
   */
  static async open(options: AuditLogOptions): Promise<AuditLog> {
    const settings = checkedSettings(options);
    await mkdir(settings.folder, { recursive: true, mode: 0o700 });
    const unlock = await lockForWriting(settings.folder);
    try {
      const log = new AuditLog(settings, unlock, await openFolder(settings));
      await log.#begin();
      return log;
    } catch (error) {
      unlock();
      throw error;
    }
  }

  /** Entries that are durable. */
  get size(): number {
    return this.#frontier.size;
  }

  get stopped(): AuditError | undefined {
    return this.#stopped;
  }

  /**
   * Resolves when the record is durable; records that come together share one sync. Rejects with AuditError `SINK_CLOSED`, `SINK_FULL`,
   * `ENTRY_TOO_LONG`, `KEY_EXPIRED`, `WRITE_FAILED` or `LOG_STOPPED`.
   */
  async append(record: AuditRecord): Promise<void> {
    if (this.#closed) throw new AuditError("SINK_CLOSED", "the audit log is closed");
    if (this.#stopped !== undefined) throw this.#stopped;
    expectLiveKey(this.#settings);
    if (this.#waiting.length >= this.#settings.waitingMax || this.#waitingBytes >= WAITING_BYTES_MAX) {
      throw FULL;
    }
    const line = recordLine(record);
    const sizeBytes = Buffer.byteLength(line);
    if (sizeBytes > LINE_BYTES_MAX - INDEX_BYTES_MAX) {
      throw new AuditError("ENTRY_TOO_LONG", "the record is longer than an entry may be");
    }
    await new Promise<void>((resolve, reject) => {
      this.#waiting.push({ record: line, sizeBytes, resolve, reject });
      this.#waitingBytes += sizeBytes;
      this.#writing ??= this.#writeAll();
    });
  }

  /** Signs, keeps and publishes a checkpoint over all that is durable now. Rejects with what went wrong; nothing is lost then. */
  async checkpoint(): Promise<void> {
    await this.#checkpoints.make();
  }

  /** Writes what waits, makes a last checkpoint, and lets go of the files. Rejects when the checkpoint could not be made. */
  async close(): Promise<void> {
    if (this.#closed) return await this.#writing;
    this.#closed = true;
    clearInterval(this.#timer);
    await this.#writing;
    try {
      await this.checkpoint();
    } finally {
      await this.#segment.close().finally(this.#unlock);
    }
  }

  async #begin(): Promise<void> {
    try {
      // An origin that is in no list yet could vanish without being missed.
      await this.checkpoint();
    } catch (error) {
      await this.#segment.close();
      throw error;
    }
    this.#timer = setInterval(() => void this.#tick(), this.#settings.checkpointEveryMs).unref();
  }

  /** Never rejects. A log that stopped is signed as far as it came, once. */
  async #tick(): Promise<void> {
    const again = this.#stopped === undefined;
    if (!again) clearInterval(this.#timer);
    await this.#checkpoints.attempt((error) => {
      this.#settings.report(error, `audit checkpoint not made${again ? "; tried again" : ""}`);
    });
  }

  /** Whatever arrives while a group is being made durable is the next group. Never rejects. */
  async #writeAll(): Promise<void> {
    while (this.#waiting.length > 0) await this.#writeGroup(this.#takeGroup());
    this.#writing = undefined;
  }

  #takeGroup(): readonly Waiting[] {
    let count = 0;
    let sizeBytes = 0;
    while (count < GROUP_MAX && count < this.#waiting.length && sizeBytes < GROUP_BYTES_MAX) {
      sizeBytes += (this.#waiting[count] as Waiting).sizeBytes;
      count++;
    }
    this.#waitingBytes -= sizeBytes;
    return this.#waiting.splice(0, count);
  }

  async #writeGroup(group: readonly Waiting[]): Promise<void> {
    try {
      if (this.#stopped !== undefined) throw this.#stopped;
      if (this.#segment.bytes >= this.#settings.segmentBytesMax) await this.#rotate();
      const first = this.#frontier.size;
      const { bytes, leaves } = encodeGroup(
        first,
        group.map(({ record }) => record),
      );
      await this.#onDisk(this.#segment.write(bytes));
      for (const leaf of leaves) this.#frontier.append(leaf);
      for (const { resolve } of group) resolve();
    } catch (cause) {
      const error = new AuditError("WRITE_FAILED", "the audit entry is not durable", { cause });
      for (const { reject } of group) reject(error);
    }
  }

  /** A disk that failed once may say that it kept what it has lost: nothing is tried again on it. Rejects as `work` does. */
  async #onDisk<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (cause) {
      if (!passesByItself(cause) && this.#stopped === undefined) {
        this.#stopped = new AuditError("LOG_STOPPED", "the audit log takes no more entries until it is opened anew", {
          cause,
        });
        this.#settings.report(this.#stopped, "audit log stopped");
      }
      throw cause;
    }
  }

  /** A finished segment has its own checkpoint beside it, so that it can be verified, and moved away, by itself. */
  async #rotate(): Promise<void> {
    const { size } = this.#frontier;
    const note = await signFrontier(this.#settings, this.origin, this.#frontier);
    await this.#onDisk(this.#segment.settle());
    await this.#onDisk(replaceFile(this.#folder, segmentCheckpointName(this.#segment.first), note));
    const head = { origin: this.origin, first: size, frontier: this.#frontier };
    const next = await this.#onDisk(this.#createSegment(head));
    await this.#segment.close();
    this.#segment = next;
  }

  /** A segment that an earlier attempt left without entries is made anew. */
  async #createSegment(head: Parameters<typeof Segment.create>[1]): Promise<Segment> {
    try {
      return await Segment.create(this.#folder, head);
    } catch (error) {
      await rm(join(this.#folder, segmentName(head.first)), { force: true });
      throw error;
    }
  }
}
