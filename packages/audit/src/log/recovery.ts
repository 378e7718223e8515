/**
 * Finds out, at start, where a log ended: what a crash tore is cut off, and a log that went back or was altered is not continued. Whatever
 * is continued is signed again as it is found; so nothing on the disk is believed that no trusted key has signed.
 */
import { rm, truncate } from "node:fs/promises";
import { join } from "node:path";
import { type MerkleFrontier, sha256 } from "@kavach/crypto";
import { AuditLogError } from "../errors.ts";
import { type Checkpoint, openCheckpoint, readNote, type TrustedKeys } from "./checkpoint.ts";
import {
  CHECKPOINT,
  indexOfEntry,
  readHead,
  segmentCheckpointName,
  segmentName,
  segmentsIn,
  syncFolder,
} from "./layout.ts";
import { eachLine, type Line, textOf } from "./lines.ts";

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
export type Abandoned =
  /** The list of origins names it, and the folder knows of no log. */
  | "LOG_MISSING"
  /** It lies in the folder, which no longer says that it is the one that is written. */
  | "CURRENT_MISSING"
  | "CHECKPOINT_MALFORMED"
  | "CHECKPOINT_UNTRUSTED"
  | "ORIGIN_MISMATCH"
  | "TRUNCATED"
  | "ALTERED"
  | "SEGMENT_BROKEN"
  | "ENTRY_UNREADABLE";

/**
 * The state of the log in `folder`, or why it must not be continued. `published`: the newest checkpoint that is known elsewhere. Rejects
 * with whatever the file system says.
 */
export async function recover(
  folder: string,
  origin: string,
  published: Uint8Array | undefined,
  trust: TrustedKeys,
): Promise<Recovered | Abandoned> {
  try {
    const known: Checkpoint[] = [];
    for (const note of [await readNote(join(folder, CHECKPOINT)), published]) {
      if (note !== undefined) known.push(await openCheckpoint(note, trust));
    }
    return await resume(folder, origin, known, trust);
  } catch (error) {
    if (error instanceof AuditLogError) return error.code as Abandoned;
    throw error;
  }
}

async function resume(
  folder: string,
  origin: string,
  newest: readonly Checkpoint[],
  trust: TrustedKeys,
): Promise<Recovered> {
  const { segment, before } = await lastSegment(folder);
  const known = [...newest, ...(await checkpointOf(folder, before, trust))];
  if (known.some((checkpoint) => checkpoint.origin !== origin)) {
    throw new AuditLogError("ORIGIN_MISMATCH", "the checkpoint is of another log");
  }
  const path = join(folder, segmentName(segment));
  const provenSize = Math.max(0, ...known.map(({ size }) => size));
  const read = await readSegment(path, origin, segment, known, provenSize);
  if (read.frontier.size < provenSize) throw new AuditLogError("TRUNCATED", "the log is shorter than its checkpoint");
  expectProven(segment, known);
  if (read.cutBytes > 0) {
    await truncate(path, read.segmentBytes);
    await syncFolder(folder);
  }
  return { segment, ...read };
}

/** All that were compared agreed; but one of fewer entries than stand before this segment was compared with nothing. */
function expectProven(segment: number, known: readonly Checkpoint[]): void {
  if (known.length === 0) throw new AuditLogError("CHECKPOINT_UNTRUSTED", "the log has no checkpoint");
  if (known.some(({ size }) => size >= segment)) return;
  throw new AuditLogError("SEGMENT_BROKEN", "no checkpoint vouches for what the segment begins with", segment);
}

/** The one beside a finished segment, if it is any help: when it was moved away, the log's newest one vouches for more. */
async function checkpointOf(folder: string, segment: number | undefined, trust: TrustedKeys): Promise<Checkpoint[]> {
  if (segment === undefined) return [];
  try {
    const note = await readNote(join(folder, segmentCheckpointName(segment)));
    return note === undefined ? [] : [await openCheckpoint(note, trust)];
  } catch (error) {
    // One of a key that has retired since.
    if (error instanceof AuditLogError) return [];
    throw error;
  }
}

interface LastSegments {
  readonly segment: number;
  /** The finished one that is there before it. */
  readonly before: number | undefined;
}

/** A segment whose head was torn by a crash has no entries, and is removed. */
async function lastSegment(folder: string): Promise<LastSegments> {
  const segments = await segmentsIn(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw error;
  });
  const last = segments.at(-1);
  if (last === undefined) throw new AuditLogError("TRUNCATED", "the log has no segment");
  const path = join(folder, segmentName(last));
  if (segments.length === 1 || (await hasHead(path))) return { segment: last, before: segments.at(-2) };
  await rm(path);
  await syncFolder(folder);
  return { segment: segments.at(-2) as number, before: segments.at(-3) };
}

async function hasHead(path: string): Promise<boolean> {
  let found = false;
  await eachLine(path, ({ whole }) => {
    found = whole;
    return false;
  });
  return found;
}

/** Reads the segment that is written on: how far it goes, and whether that is what the checkpoints say. */
class Reading {
  readonly #origin: string;
  readonly #first: number;
  readonly #known: readonly Checkpoint[];
  readonly #provenSize: number;
  frontier: MerkleFrontier | undefined;
  /** Up to the last whole entry. */
  segmentBytes: number = 0;
  totalBytes: number = 0;
  #isTorn: boolean = false;

  constructor(origin: string, first: number, known: readonly Checkpoint[], provenSize: number) {
    this.#origin = origin;
    this.#first = first;
    this.#known = known;
    this.#provenSize = provenSize;
  }

  line(line: Line): void {
    this.totalBytes = line.endBytes;
    if (this.#isTorn) return;
    if (this.frontier === undefined) this.frontier = this.#head(line);
    else if (!this.#entry(line, this.frontier)) return;
    compare(this.frontier, this.#known);
    this.segmentBytes = line.endBytes;
  }

  #head(line: Line): MerkleFrontier {
    const head = readHead(textOf(line));
    if (line.whole && head.origin === this.#origin && head.first === this.#first) return head.frontier;
    throw new AuditLogError("SEGMENT_BROKEN", "the segment is of another log");
  }

  /** False where the log ends before this line. */
  #entry({ tagged, whole }: Line, frontier: MerkleFrontier): boolean {
    if (whole && indexOfEntry(tagged) === frontier.size) {
      frontier.append(sha256(tagged));
      return true;
    }
    if (frontier.size < this.#provenSize) {
      throw whole
        ? new AuditLogError("ENTRY_UNREADABLE", "an entry that was proven is damaged", frontier.size)
        : new AuditLogError("TRUNCATED", "the log ends within an entry that was proven", frontier.size);
    }
    // Never acknowledged: a group becomes durable as a whole, and only then are its entries.
    this.#isTorn = true;
    return false;
  }
}

async function readSegment(
  path: string,
  origin: string,
  first: number,
  known: readonly Checkpoint[],
  provenSize: number,
) {
  const reading = new Reading(origin, first, known, provenSize);
  await eachLine(path, (line) => {
    reading.line(line);
    return true;
  });
  const { frontier, segmentBytes, totalBytes } = reading;
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
