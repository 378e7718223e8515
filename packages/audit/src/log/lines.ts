/** Reads a file line by line with flat memory, however long it is. */
import { open } from "node:fs/promises";

/** Longest line that is read, and longest that is written, bytes. */
export const LINE_BYTES_MAX: number = 1024 * 1024;
const CHUNK_BYTES = 256 * 1024;
const NEWLINE = 0x0a;

export interface Line {
  /** Without its line break. Valid until the next line is asked for. */
  readonly bytes: Uint8Array;
  /** Bytes of the file up to and with this line's break. */
  readonly endBytes: number;
  /** False for what follows the last line break, and for a line that is too long to be one. */
  readonly whole: boolean;
}

/** Rejects with whatever the file system says. A line that is too long is the last one given. */
export async function* linesOf(path: string): AsyncGenerator<Line> {
  const file = await open(path, "r");
  try {
    let rest = Buffer.alloc(0);
    let readBytes = 0;
    const chunk = Buffer.alloc(CHUNK_BYTES);
    for (;;) {
      const { bytesRead } = await file.read(chunk, 0, CHUNK_BYTES, readBytes);
      if (bytesRead === 0) break;
      readBytes += bytesRead;
      const bytes = Buffer.concat([rest, chunk.subarray(0, bytesRead)]);
      let start = 0;
      for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, start)) {
        const endBytes = readBytes - bytes.length + end + 1;
        yield { bytes: bytes.subarray(start, end), endBytes, whole: true };
        start = end + 1;
      }
      rest = bytes.subarray(start);
      if (rest.length > LINE_BYTES_MAX) break;
    }
    if (rest.length > 0) yield { bytes: rest, endBytes: readBytes, whole: false };
  } finally {
    await file.close();
  }
}
