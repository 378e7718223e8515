/** Entries that become durable together: their bytes as they go to the file, and the hash of each one's leaf. */
import { sha256 } from "@kavach/crypto";
import { entryLine } from "./layout.ts";

const NEWLINE = 0x0a;
const LEAF = 0;

export interface Group {
  /** A line for each entry, with its break. */
  readonly bytes: Uint8Array;
  /** Leaf hashes (RFC 9162, section 2.1.1), in order. */
  readonly leaves: readonly Uint8Array[];
}

/** `records`: the JSON of each. The first has index `first`. */
export function encodeGroup(first: number, records: readonly string[]): Group {
  const lines = records.map((record, i) => entryLine(first + i, record));
  const buffer = Buffer.allocUnsafe(lines.reduce((sum, line) => sum + Buffer.byteLength(line), 1));
  const leaves: Uint8Array[] = [];
  let at = 1;
  for (const line of lines) {
    const end = at + buffer.write(line, at);
    // Hashed where it lies: the byte before the line is the tag for as long as that takes.
    buffer[at - 1] = LEAF;
    leaves.push(sha256(buffer.subarray(at - 1, end - 1)));
    buffer[at - 1] = NEWLINE;
    at = end;
  }
  return { bytes: buffer.subarray(1), leaves };
}
