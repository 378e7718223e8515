/** The segment that is written: whole groups, durable together, behind all that was durable before. */
import { fstatSync } from "node:fs";
import { constants, type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import { headLine, type SegmentHead, segmentName, syncFolder } from "./layout.ts";

const { O_APPEND, O_RDWR } = constants;

export class Segment {
  readonly first: number;
  readonly #file: FileHandle;
  /** Length of what is durable; the file may be longer after a failure. */
  #bytes: number;
  #torn: boolean = false;

  private constructor(first: number, file: FileHandle, bytes: number) {
    this.first = first;
    this.#file = file;
    this.#bytes = bytes;
  }

  /** Rejects with whatever the file system says, also when there is such a segment. */
  static async create(folder: string, head: SegmentHead): Promise<Segment> {
    const file = await open(join(folder, segmentName(head.first)), "ax", 0o600);
    const segment = new Segment(head.first, file, 0);
    try {
      await segment.write(Buffer.from(headLine(head), "utf8"));
      await syncFolder(folder);
      return segment;
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  static async resume(folder: string, first: number, bytes: number): Promise<Segment> {
    return new Segment(first, await open(join(folder, segmentName(first)), O_RDWR | O_APPEND), bytes);
  }

  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Resolves when it is durable. What a failure leaves behind is cut off before anything else is written. Rejects with whatever the file
   * system says, and when the file is no longer what this process alone has written.
   */
  async write(bytes: Uint8Array): Promise<void> {
    if (this.#torn) await this.#file.truncate(this.#bytes);
    this.#torn = true;
    for (let at = 0; at < bytes.length; ) {
      const { bytesWritten } = await this.#file.write(bytes, at, bytes.length - at);
      if (bytesWritten === 0) throw new Error("the file takes no bytes and says no reason");
      at += bytesWritten;
    }
    await this.#file.datasync();
    // Answered from the kernel's memory, in a hundredth of the time that another trip to the thread pool takes.
    const { size, nlink } = fstatSync(this.#file.fd);
    this.#expectOwn(size, nlink, this.#bytes + bytes.length);
    this.#bytes += bytes.length;
    this.#torn = false;
  }

  /** Cuts off what a failure left behind, durably, so that nothing stands between this segment and the next one. */
  async settle(): Promise<void> {
    if (!this.#torn) return;
    await this.#file.truncate(this.#bytes);
    await this.#file.datasync();
    this.#torn = false;
  }

  async close(): Promise<void> {
    try {
      if (this.#torn) await this.#file.truncate(this.#bytes);
    } finally {
      await this.#file.close();
    }
  }

  /** Bytes of a file that was removed are gone with this process; and who knows what somebody else writes between ours. */
  #expectOwn(size: number, links: number, expected: number): void {
    if (links > 0 && size === expected) return;
    // Cutting off what is not ours could cut off what somebody was told is durable.
    this.#torn = false;
    throw new Error(links > 0 ? "somebody else changed the file of the log" : "the file of the log was removed");
  }
}
