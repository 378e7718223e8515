/** Appends records to a file, one JSON line each, and makes whole groups durable with one sync. */
import { open } from "node:fs/promises";
import { passesByItself } from "./disk-failure.ts";
import { AuditError } from "./errors.ts";
import { type AuditRecord, recordLine } from "./record.ts";
import type { AuditSink } from "./sink.ts";

/** The part of a `FileHandle` of `node:fs/promises` that is used. Opened with flags `a+`: appending, and readable. */
export interface AuditFile {
  /** `nlink`: names that the file has; 0 where it was removed. */
  stat(): Promise<{ readonly size: number; readonly nlink?: number }>;
  read(buffer: Uint8Array, offset: number, length: number, position: number): Promise<{ readonly bytesRead: number }>;
  appendFile(data: string): Promise<void>;
  truncate(length: number): Promise<void>;
  datasync(): Promise<void>;
  close(): Promise<void>;
}

export interface JsonlOptions {
  /** Most records that wait for the disk; more are rejected. 1 to 1,000,000, default 10,000. */
  readonly waitingMax?: number;
}

interface Waiting {
  readonly line: string;
  readonly resolve: () => void;
  readonly reject: (error: AuditError) => void;
}

const NEWLINE = 0x0a;
const CHUNK_BYTES = 64 * 1024;
/** One for all: a sink that cannot keep up must not spend its time on stack traces. */
const FULL = new AuditError("SINK_FULL", "too many audit records wait");

export class JsonlAuditSink implements AuditSink {
  readonly #file: AuditFile;
  readonly #waitingMax: number;
  #waiting: Waiting[] = [];
  #writing: Promise<void> | undefined;
  /** Length of the file up to the last line that is durable. */
  #durableBytes: number;
  /** The file may be longer than that, or its last line torn. */
  #torn: boolean = false;
  #stopped: AuditError | undefined;
  #closed: boolean = false;

  private constructor(file: AuditFile, durableBytes: number, waitingMax: number) {
    this.#file = file;
    this.#durableBytes = durableBytes;
    this.#waitingMax = waitingMax;
  }

  /**
   * Takes over an open file. A torn last line, as a crash leaves it, was never acknowledged and is cut off. Rejects with
   * whatever the file says, and with RangeError for an option out of range.
   */
  static async open(file: AuditFile, options: JsonlOptions = {}): Promise<JsonlAuditSink> {
    const { waitingMax = 10_000, ...unknown } = options;
    if (Object.keys(unknown).length > 0) throw new RangeError(`unknown option ${Object.keys(unknown)[0]}`);
    if (!Number.isSafeInteger(waitingMax) || waitingMax < 1 || waitingMax > 1_000_000) {
      throw new RangeError("waitingMax is a whole number from 1 to 1,000,000");
    }
    const { size } = await file.stat();
    const wholeBytes = await wholeLinesBytes(file, size);
    if (wholeBytes < size) await file.truncate(wholeBytes);
    return new JsonlAuditSink(file, wholeBytes, waitingMax);
  }

  get stopped(): AuditError | undefined {
    return this.#stopped;
  }

  async append(record: AuditRecord): Promise<void> {
    if (this.#closed) throw new AuditError("SINK_CLOSED", "the audit sink is closed");
    if (this.#stopped !== undefined) throw this.#stopped;
    if (this.#waiting.length >= this.#waitingMax) throw FULL;
    const line = `${recordLine(record)}\n`;
    await new Promise<void>((resolve, reject) => {
      this.#waiting.push({ line, resolve, reject });
      this.#writing ??= this.#writeAll();
    });
  }

  async close(): Promise<void> {
    if (this.#closed) return await this.#writing;
    this.#closed = true;
    await this.#writing;
    await this.#file.close();
  }

  /** Whatever arrives while a group is being synced is the next group. Never rejects. */
  async #writeAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      const group = this.#waiting;
      this.#waiting = [];
      await this.#writeGroup(group);
    }
    this.#writing = undefined;
  }

  async #writeGroup(group: readonly Waiting[]): Promise<void> {
    try {
      if (this.#stopped !== undefined) throw this.#stopped;
      if (this.#torn) await this.#file.truncate(this.#durableBytes);
      this.#torn = true;
      const lines = group.map(({ line }) => line).join("");
      await this.#file.appendFile(lines);
      await this.#file.datasync();
      await this.#expectKept(Buffer.byteLength(lines));
      this.#torn = false;
      for (const { resolve } of group) resolve();
    } catch (cause) {
      if (!passesByItself(cause)) {
        this.#stopped ??= new AuditError("LOG_STOPPED", "the audit file takes no more until it is opened anew", {
          cause,
        });
      }
      const error = new AuditError("WRITE_FAILED", "the audit record is not durable", { cause });
      for (const { reject } of group) reject(error);
    }
  }

  /** Bytes of a file that was removed are gone with this process; one that was cut, as logs are rotated, is as long as it is. */
  async #expectKept(bytes: number): Promise<void> {
    const { size, nlink } = await this.#file.stat();
    if (nlink === 0 || size < bytes) throw new Error("the audit file was removed or cut by somebody else");
    this.#durableBytes = size;
  }
}

/** Opens or creates the file, readable by its owner alone, and takes it over. Rejects with whatever the file system says. */
export async function openJsonlSink(path: string, options: JsonlOptions = {}): Promise<JsonlAuditSink> {
  const file = await open(path, "a+", 0o600);
  try {
    return await JsonlAuditSink.open(file, options);
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Length of the file up to and with its last line break. */
async function wholeLinesBytes(file: AuditFile, size: number): Promise<number> {
  const buffer = new Uint8Array(Math.min(CHUNK_BYTES, size));
  for (let end = size; end > 0; ) {
    const start = Math.max(0, end - CHUNK_BYTES);
    const { bytesRead } = await file.read(buffer, 0, end - start, start);
    if (bytesRead !== end - start) throw new Error("the audit file changed while it was read");
    const at = buffer.subarray(0, bytesRead).lastIndexOf(NEWLINE);
    if (at >= 0) return start + at + 1;
    end = start;
  }
  return 0;
}
