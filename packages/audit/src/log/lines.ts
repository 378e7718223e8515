/** Reads a file line by line with flat memory, however long it is. */
import type { FileHandle } from "node:fs/promises";
import { AuditLogError } from "../errors.ts";
import { NoFileError, openPlainFile } from "./plain-file.ts";

/** Longest line that is read, and longest that is written, bytes. */
export const LINE_BYTES_MAX: number = 1024 * 1024;
const CHUNK_BYTES = 256 * 1024;
const NEWLINE = 0x0a;
/** The tag of a leaf (RFC 9162, section 2.1.1). */
const LEAF = 0;

export interface Line {
  /** The tag of a leaf, one byte, and the line without its break: hashed as it lies. Valid until the next line is given. */
  readonly tagged: Buffer;
  /** Bytes of the file up to and with this line's break. */
  readonly endBytes: number;
  /** False for what follows the last line break, and for a line that is too long to be one. */
  readonly whole: boolean;
}

export const textOf = ({ tagged }: Line): string => tagged.toString("utf8", 1);

/**
 * Gives `visit` line after line until it returns false. A line that is too long is the last one. Rejects with AuditLogError `SEGMENT_BROKEN`
 * where there is no file, and with whatever the file system or `visit` says.
 */
export async function eachLine(path: string, visit: (line: Line) => boolean): Promise<void> {
  const file = await openSegment(path);
  try {
    // The byte before a line takes its tag: it was the line break before it, or the one byte that is kept free at the start.
    let buffer = Buffer.alloc(1 + CHUNK_BYTES);
    let held = 1;
    let readBytes = 0;
    while (held - 1 <= LINE_BYTES_MAX) {
      if (buffer.length - held < CHUNK_BYTES) buffer = Buffer.concat([buffer.subarray(0, held)], held + CHUNK_BYTES);
      const { bytesRead } = await file.read(buffer, held, CHUNK_BYTES, readBytes);
      if (bytesRead === 0) break;
      readBytes += bytesRead;
      const filled = buffer.subarray(0, held + bytesRead);
      let start = 1;
      for (let end = filled.indexOf(NEWLINE, held); end >= 0; end = filled.indexOf(NEWLINE, start)) {
        const endBytes = readBytes - filled.length + end + 1;
        if (!visit({ tagged: taggedAt(filled, start, end), endBytes, whole: true })) return;
        start = end + 1;
      }
      filled.copyWithin(1, start);
      held = 1 + filled.length - start;
    }
    if (held > 1) visit({ tagged: taggedAt(buffer, 1, held), endBytes: readBytes, whole: false });
  } finally {
    await file.close();
  }
}

function taggedAt(buffer: Buffer, start: number, end: number): Buffer {
  buffer[start - 1] = LEAF;
  return buffer.subarray(start - 1, end);
}

async function openSegment(path: string): Promise<FileHandle> {
  try {
    return await openPlainFile(path);
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === "ENOENT";
    if (isMissing || error instanceof NoFileError) throw new AuditLogError("SEGMENT_BROKEN", `${path} is no file`);
    throw error;
  }
}
