/** Finds out, at start, where a log ended: what a crash tore is cut off, and a log that went back or was altered is not continued. */
import { rm, truncate } from "node:fs/promises";
import { join } from "node:path";
import { leafHash, type MerkleFrontier } from "@kavach/crypto";
import { AuditLogError } from "../errors.ts";
import { type Checkpoint, readCheckpoint } from "./checkpoint.ts";
import { CHECKPOINT, indexOfEntry, readHead, readIfThere, segmentName, segmentsIn, syncFolder } from "./layout.ts";
import { linesOf } from "./lines.ts";

export interface Recovered {
  /** First index of the segment that is written on. */
  readonly segment: number;
  /** Its length. */
  readonly segmentBytes: number;
  readonly frontier: MerkleFrontier;
  /** Bytes of a torn end that were cut off. */
  readonly cutBytes: number;
}

/** Why a log is not continued. */
export type Abandoned = "CHECKPOINT_MALFORMED" | "TRUNCATED" | "ALTERED" | "SEGMENT_BROKEN" | "ENTRY_UNREADABLE";

/**
 * The state of the log in `folder`, or why it must not be continued. `published`: the newest checkpoint that is known elsewhere. Rejects
 * with whatever the file system says.
 */
export async function recover(
  folder: string,
  origin: string,
  published: Uint8Array | undefined,
): Promise<Recovered | Abandoned> {
  try {
    const local = await readIfThere(join(folder, CHECKPOINT));
    const known = [local, published].flatMap((note) => (note === undefined ? [] : [readCheckpoint(note)]));
    return await resume(folder, origin, known);
  } catch (error) {
    if (error instanceof AuditLogError) return error.code as Abandoned;
    throw error;
  }
}

async function resume(folder: string, origin: string, known: readonly Checkpoint[]): Promise<Recovered> {
  const segment = await lastSegment(folder);
  const path = join(folder, segmentName(segment));
  const provenSize = Math.max(0, ...known.map(({ size }) => size));
  const read = await readSegment(path, origin, segment, known, provenSize);
  if (read.frontier.size < provenSize) throw new AuditLogError("TRUNCATED", "the log is shorter than its checkpoint");
  if (read.cutBytes > 0) {
    await truncate(path, read.segmentBytes);
    await syncFolder(folder);
  }
  return { segment, ...read };
}

/** A segment whose head was torn by a crash has no entries, and is removed. */
async function lastSegment(folder: string): Promise<number> {
  const segments = await segmentsIn(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw error;
  });
  const last = segments.at(-1);
  if (last === undefined) throw new AuditLogError("TRUNCATED", "the log has no segment");
  const path = join(folder, segmentName(last));
  if (segments.length === 1 || (await hasHead(path))) return last;
  await rm(path);
  await syncFolder(folder);
  return segments.at(-2) as number;
}

async function hasHead(path: string): Promise<boolean> {
  for await (const { whole } of linesOf(path)) return whole;
  return false;
}

async function readSegment(
  path: string,
  origin: string,
  first: number,
  known: readonly Checkpoint[],
  provenSize: number,
) {
  let frontier: MerkleFrontier | undefined;
  let segmentBytes = 0;
  let totalBytes = 0;
  let isTorn = false;
  for await (const { bytes, endBytes, whole } of linesOf(path)) {
    totalBytes = endBytes;
    if (isTorn) continue;
    if (frontier === undefined) {
      const head = readHead(Buffer.from(bytes).toString("utf8"));
      if (!whole || head.origin !== origin || head.first !== first) {
        throw new AuditLogError("SEGMENT_BROKEN", "the segment is of another log");
      }
      frontier = head.frontier;
      compare(frontier, known);
    } else if (whole && indexOfEntry(bytes) === frontier.size) {
      frontier.append(leafHash(bytes));
      compare(frontier, known);
    } else if (frontier.size < provenSize) {
      throw whole
        ? new AuditLogError("ENTRY_UNREADABLE", "an entry that was proven is damaged", frontier.size)
        : new AuditLogError("TRUNCATED", "the log ends within an entry that was proven", frontier.size);
    } else {
      // Never acknowledged: a group becomes durable as a whole, and only then are its entries.
      isTorn = true;
      continue;
    }
    segmentBytes = endBytes;
  }
  if (frontier === undefined) throw new AuditLogError("SEGMENT_BROKEN", "the segment has no head");
  return { frontier, segmentBytes, cutBytes: totalBytes - segmentBytes };
}

function compare(frontier: MerkleFrontier, known: readonly Checkpoint[]): void {
  for (const { size, root } of known) {
    if (size === frontier.size && Buffer.compare(root, frontier.root()) !== 0) {
      throw new AuditLogError("ALTERED", "the log is not what its checkpoint says");
    }
  }
}
