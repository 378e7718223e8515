/**
 * How a log lies on the disk. A folder holds one folder for each origin and the file `current`, which names the one that is written. An
 * origin's folder holds segments `entries-<first index>.jsonl` (a head line, then one JSON line for each entry), for each finished segment
 * its last checkpoint beside it, and `checkpoint`, the newest one.
 */
import type { Dirent } from "node:fs";
import { open, readdir, rename, stat } from "node:fs/promises";
import { join } from "node:path";
import { MerkleFrontier } from "@kavach/crypto";
import { AuditLogError } from "../errors.ts";

const INDEX_DIGITS = 16;
const SEGMENT_FORM = /^entries-(\d{16})\.jsonl$/;
export const CURRENT = "current";
export const CHECKPOINT = "checkpoint";
/** Ends the name of what is not yet whole. */
export const DRAFT = ".new";

export const segmentName = (first: number): string => `entries-${String(first).padStart(INDEX_DIGITS, "0")}.jsonl`;
export const segmentCheckpointName = (first: number): string => `${segmentName(first)}.checkpoint`;

/** First indices of the segments there are, in order. */
export async function segmentsIn(folder: string): Promise<number[]> {
  const names = await readdir(folder);
  return names
    .flatMap((name) => SEGMENT_FORM.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b);
}

/**
 * Folders of origins in a replica's folder, by name, whichever is written now: also one of which nothing but a checkpoint is left, one that
 * is a link to where it was moved, and one that is named as a log is and cannot be looked into.
 */
export async function originFoldersIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  const origins = await Promise.all(
    entries.map(async (entry) => ((await isOrigin(folder, entry)) ? [entry.name] : [])),
  );
  return origins
    .flat()
    .map((name) => join(folder, name))
    .sort();
}

async function isOrigin(parent: string, entry: Dirent): Promise<boolean> {
  const folder = join(parent, entry.name);
  if (entry.name.endsWith(DRAFT) || !(entry.isDirectory() || entry.isSymbolicLink())) return false;
  try {
    if (!(await stat(folder)).isDirectory()) return false;
    return (await readdir(folder)).some(isOfLog);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ENOENT" && ORIGIN_FOLDER_FORM.test(entry.name);
  }
}

/** As `AuditLog` names them. */
const ORIGIN_FOLDER_FORM = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const isOfLog = (name: string) => name === CHECKPOINT || /^entries-\d{16}\.jsonl(\.checkpoint)?$/.test(name);

/** What a segment begins with. It is signed by nobody: a verifier compares it with what it has computed. */
export interface SegmentHead {
  readonly origin: string;
  /** Index of the first entry. */
  readonly first: number;
  readonly frontier: MerkleFrontier;
}

/** With its line break. */
export function headLine({ origin, first, frontier }: SegmentHead): string {
  const hashes = frontier.hashes.map((hash) => Buffer.from(hash).toString("hex"));
  return `${JSON.stringify({ format: "kavach-audit-log-v2", origin, first, frontier: hashes })}\n`;
}

/** Without its line break. Throws AuditLogError `SEGMENT_BROKEN`. */
export function readHead(line: string): SegmentHead {
  try {
    const { origin, first, frontier } = JSON.parse(line) as { origin: string; first: number; frontier: string[] };
    const head = {
      origin: String(origin),
      first,
      frontier: MerkleFrontier.from(
        first,
        frontier.map((hash) => new Uint8Array(Buffer.from(hash, "hex"))),
      ),
    };
    if (headLine(head) === `${line}\n`) return head;
  } catch {
    // Falls through: every reason is the same reason.
  }
  throw new AuditLogError("SEGMENT_BROKEN", "a segment does not begin as one does");
}

/** `line`: the record's JSON. With its line break; the hash of its leaf is over the line without. */
export const entryLine = (index: number, line: string): string => `{"index":${index},${line.slice(1)}\n`;

const ENTRY_FORM = /^\{"index":(0|[1-9]\d{0,15}),"/;
const ENTRY_HEAD_BYTES = 32;

/** Undefined where the line is no entry. `tagged`: the line behind the tag of its leaf. */
export function indexOfEntry(tagged: Buffer): number | undefined {
  // `}`: a line that was torn has no end.
  if (tagged.at(-1) !== 0x7d) return undefined;
  const index = ENTRY_FORM.exec(tagged.toString("latin1", 1, ENTRY_HEAD_BYTES))?.[1];
  return index === undefined ? undefined : Number(index);
}

/** Replaces a file whole or not at all, durable when this resolves. */
export async function replaceFile(folder: string, name: string, content: Uint8Array): Promise<void> {
  const draft = join(folder, `${name}${DRAFT}`);
  const file = await open(draft, "w", 0o600);
  try {
    await file.writeFile(content);
    await file.datasync();
  } finally {
    await file.close();
  }
  await rename(draft, join(folder, name));
  await syncFolder(folder);
}

export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
