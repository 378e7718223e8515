/**
 * The append-only log of one replica: every entry is durable before it is acknowledged and a leaf of a Merkle tree whose head is signed at
 * least every second. It keeps nothing of the entries in memory.
 */
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { leafHash, type MerkleFrontier } from "@kavach/crypto";
import { AuditError } from "../errors.ts";
import { type AuditRecord, recordLine } from "../record.ts";
import type { AuditSink } from "../sink.ts";
import { signCheckpoint } from "./checkpoint.ts";
import { CHECKPOINT, entryLine, replaceFile, segmentCheckpointName, segmentName } from "./layout.ts";
import { LINE_BYTES_MAX } from "./lines.ts";
import { type OpenedFolder, type Opening, openFolder } from "./opening.ts";
import { Segment } from "./segment.ts";
import { type AuditLogOptions, checkedSettings, type Settings } from "./settings.ts";
import { within } from "./within.ts";
import { lockForWriting, type Unlock } from "./writer-lock.ts";

interface Waiting {
  readonly line: string;
  readonly resolve: () => void;
  readonly reject: (error: AuditError) => void;
}

/** Most entries of one group, so that lines and hashes of a group stay small. */
const GROUP_MAX = 1000;
/** What an entry's index adds to its line. */
const INDEX_BYTES_MAX = 64;
/** Longest wait for the list of origins, milliseconds: one that is silent must not keep the log from closing. */
const REGISTRY_WAIT_MS = 5000;

export class AuditLog implements AuditSink {
  readonly origin: string;
  readonly opening: Opening;
  readonly #settings: Settings;
  readonly #folder: string;
  readonly #unlock: Unlock;
  readonly #frontier: MerkleFrontier;
  #segment: Segment;
  #waiting: Waiting[] = [];
  #writing: Promise<void> | undefined;
  /** Size of the newest checkpoint that is on the disk, and of the newest that was published. */
  #checkpointed: number = -1;
  #published: number = -1;
  #checkpointing: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #closed: boolean = false;

  private constructor(settings: Settings, unlock: Unlock, opened: OpenedFolder) {
    this.#settings = settings;
    this.#unlock = unlock;
    this.origin = opened.origin;
    this.opening = opened.opening;
    this.#folder = opened.folder;
    this.#segment = opened.segment;
    this.#frontier = opened.frontier;
  }

  /**
   * Goes on with the log in the folder, or begins a new one. Rejects with AuditError `OPTION_INVALID`, `KEY_EXPIRED`, `LOG_IN_USE`,
   * `REGISTRY_UNAVAILABLE`, and with whatever the file system says.
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
      await unlock();
      throw error;
    }
  }

  /** Entries that are durable. */
  get size(): number {
    return this.#frontier.size;
  }

  async append(record: AuditRecord): Promise<void> {
    if (this.#closed) throw new AuditError("SINK_CLOSED", "the audit log is closed");
    this.#expectLiveKey();
    if (this.#waiting.length >= this.#settings.waitingMax) throw new AuditError("SINK_FULL", "too many entries wait");
    const line = recordLine(record);
    if (Buffer.byteLength(line) > LINE_BYTES_MAX - INDEX_BYTES_MAX) {
      throw new AuditError("ENTRY_TOO_LONG", "the record is longer than an entry may be");
    }
    await new Promise<void>((resolve, reject) => {
      this.#waiting.push({ line, resolve, reject });
      this.#writing ??= this.#writeAll();
    });
  }

  /** Signs, keeps and publishes a checkpoint over all that is durable now. Rejects with what went wrong; nothing is lost then. */
  async checkpoint(): Promise<void> {
    while (this.#checkpointing !== undefined) await this.#checkpointing.catch(() => {});
    this.#checkpointing = this.#makeCheckpoint().finally(() => {
      this.#checkpointing = undefined;
    });
    await this.#checkpointing;
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
      await this.#segment.close();
      await this.#unlock();
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
    this.#timer = setInterval(() => {
      if (this.#checkpointing !== undefined) return;
      this.checkpoint().catch((error: unknown) =>
        this.#settings.report(error, "audit checkpoint not made; tried again"),
      );
    }, this.#settings.checkpointEveryMs).unref();
  }

  /** Whatever arrives while a group is being made durable is the next group. Never rejects. */
  async #writeAll(): Promise<void> {
    while (this.#waiting.length > 0) await this.#writeGroup(this.#waiting.splice(0, GROUP_MAX));
    this.#writing = undefined;
  }

  async #writeGroup(group: readonly Waiting[]): Promise<void> {
    try {
      if (this.#segment.bytes >= this.#settings.segmentBytesMax) await this.#rotate();
      const first = this.#frontier.size;
      const lines = group.map(({ line }, i) => entryLine(first + i, line));
      await this.#segment.write(lines.join(""));
      for (const line of lines) this.#frontier.append(leafHash(Buffer.from(line.slice(0, -1), "utf8")));
      for (const { resolve } of group) resolve();
    } catch (cause) {
      const error = new AuditError("WRITE_FAILED", "the audit entry is not durable", { cause });
      for (const { reject } of group) reject(error);
    }
  }

  /** A finished segment has its own checkpoint beside it, so that it can be verified, and moved away, by itself. */
  async #rotate(): Promise<void> {
    const { size } = this.#frontier;
    const note = await this.#sign();
    await replaceFile(this.#folder, segmentCheckpointName(this.#segment.first), note);
    const next = await this.#createSegment({ origin: this.origin, first: size, frontier: this.#frontier });
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

  async #makeCheckpoint(): Promise<void> {
    const { size } = this.#frontier;
    if (size === this.#checkpointed && size === this.#published) return;
    const note = await this.#sign();
    await replaceFile(this.#folder, CHECKPOINT, note);
    this.#checkpointed = size;
    try {
      await within(REGISTRY_WAIT_MS, this.#settings.registry.publish({ origin: this.origin, size, note }));
    } catch (cause) {
      throw new AuditError("REGISTRY_UNAVAILABLE", "the checkpoint was not published", { cause });
    }
    this.#published = size;
  }

  /** Size and root are read at one moment: appending goes on while the signature is made. */
  async #sign(): Promise<Uint8Array<ArrayBuffer>> {
    const { suite, keyPair, clock } = this.#settings;
    this.#expectLiveKey();
    const { size } = this.#frontier;
    const root = this.#frontier.root();
    return await signCheckpoint({ origin: this.origin, size, root, atMs: Math.floor(clock.nowMs()), suite }, keyPair);
  }

  #expectLiveKey(): void {
    const { keyPair, clock } = this.#settings;
    if (keyPair.isExpired(clock.nowMs())) throw new AuditError("KEY_EXPIRED", "the audit key has expired");
  }
}
