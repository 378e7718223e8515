/** The segment that is written: whole groups, durable together, each at a place that is known. */
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import { headLine, type SegmentHead, segmentName, syncFolder } from "./layout.ts";

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
    const file = await open(join(folder, segmentName(head.first)), "wx", 0o600);
    const segment = new Segment(head.first, file, 0);
    try {
      await segment.write(headLine(head));
      await syncFolder(folder);
      return segment;
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  static async resume(folder: string, first: number, bytes: number): Promise<Segment> {
    return new Segment(first, await open(join(folder, segmentName(first)), "r+"), bytes);
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Resolves when it is durable. What a failure leaves behind is cut off before anything else is written. */
  async write(text: string): Promise<void> {
    const bytes = Buffer.from(text, "utf8");
    if (this.#torn) await this.#file.truncate(this.#bytes);
    this.#torn = true;
    for (let at = 0; at < bytes.length; ) {
      at += (await this.#file.write(bytes, at, bytes.length - at, this.#bytes + at)).bytesWritten;
    }
    await this.#file.datasync();
    this.#bytes += bytes.length;
    this.#torn = false;
  }

  async close(): Promise<void> {
    try {
      if (this.#torn) await this.#file.truncate(this.#bytes);
    } finally {
      await this.#file.close();
    }
  }
}
