/**
 * Verifies logs against checkpoints that a trusted key signed. It reads each file once from front to back, with flat memory, and believes
 * nothing of it that no checkpoint proves: neither heads of segments, nor indices, nor the end.
 */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { MerkleFrontier, sha256 } from "@kavach/crypto";
import { AuditError, AuditLogError } from "../errors.ts";
import { type Checkpoint, openCheckpoint, readNote, type TrustedKeys } from "./checkpoint.ts";
import { CHECKPOINT, indexOfEntry, readHead, segmentCheckpointName, segmentName, segmentsIn } from "./layout.ts";
import { eachLine, type Line, textOf } from "./lines.ts";
import { hasFolder, originFolder } from "./opening.ts";
import { isOfFileSystem } from "./plain-file.ts";
import type { PublishedCheckpoint } from "./registry.ts";

export interface Progress {
  readonly origin: string;
  readonly entries: number;
  readonly bytes: number;
  readonly bytesTotal: number;
}

export interface VerifyLogOptions extends TrustedKeys {
  /** Of one origin. */
  readonly folder: string;
  /** Checkpoints from elsewhere than this disk, such as the list of origins. Without one, a log that was cut back whole passes. */
  readonly trusted?: Uint8Array | readonly Uint8Array[];
  /** Called every 16 MiB or so, and at the end. */
  readonly onProgress?: (progress: Progress) => void;
}

export interface VerifiedLog {
  readonly origin: string;
  /** Entries that a checkpoint proves. */
  readonly proven: number;
  /** Entries behind the newest checkpoint: true or not, nobody has signed them. */
  readonly unproven: number;
  /** Checkpoints that were compared, those of one size as one. */
  readonly checkpoints: number;
  /** Time of the newest of them, Unix milliseconds. */
  readonly provenAtMs: number;
}

const PROGRESS_BYTES = 16 * 1024 * 1024;

const OPTIONS: ReadonlySet<string> = new Set(["bundles", "suite", "folder", "trusted", "onProgress"]);

/** Rejects with AuditLogError, with AuditError `OPTION_INVALID`, and with whatever the file system says. */
export async function verifyLog(options: VerifyLogOptions): Promise<VerifiedLog> {
  expectOptions(options, OPTIONS);
  // Before anything else: a log may be written meanwhile, and what a checkpoint vouches for was there before it.
  const newest = await readNote(join(options.folder, CHECKPOINT));
  const segments = await segmentsOrMissing(options.folder);
  const checkpoints = await collectCheckpoints(options, segments, newest);
  const walk = new LogWalk(options, checkpoints, await totalBytes(options.folder, segments));
  for (const first of segments) await walk.segment(first);
  return walk.finish();
}

/** An option that nobody reads may be the checkpoint that somebody trusts. */
function expectOptions(options: object, known: ReadonlySet<string>): void {
  if (typeof options !== "object" || options === null) throw new AuditError("OPTION_INVALID", "options are an object");
  const unknown = Object.keys(options).find((name) => !known.has(name));
  if (unknown !== undefined) throw new AuditError("OPTION_INVALID", `unknown option ${unknown}`);
}

async function segmentsOrMissing(folder: string): Promise<number[]> {
  const segments = await segmentsIn(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw error;
  });
  if (segments.length === 0) throw new AuditLogError("LOG_MISSING", "there is no log in the folder");
  return segments;
}

/** One after the other: a log may have more files than a process may have open. */
async function totalBytes(folder: string, segments: readonly number[]): Promise<number> {
  let sum = 0;
  for (const first of segments) {
    // One that is not there is told of when its turn has come.
    sum += (await stat(join(folder, segmentName(first))).catch(() => undefined))?.size ?? 0;
  }
  return sum;
}

/** Every checkpoint there is, all of one origin, one of each size, smallest first. Two of one size must say the same. */
async function collectCheckpoints(
  options: VerifyLogOptions,
  segments: readonly number[],
  newest: Uint8Array | undefined,
): Promise<Checkpoint[]> {
  const { folder, trusted = [] } = options;
  const checkpoints: Checkpoint[] = [];
  const take = async (note: Uint8Array) => {
    checkpoints.push(await openCheckpoint(note, options));
  };
  const given = trusted instanceof Uint8Array ? [trusted] : trusted;
  if (!Array.isArray(given)) throw new AuditError("OPTION_INVALID", "trusted is a checkpoint, or a list of them");
  // One that is trusted and not there is no reason to do without it.
  for (const note of given as readonly Uint8Array[]) await take(note);
  if (newest !== undefined) await take(newest);
  for (const first of segments) {
    const note = await readNote(join(folder, segmentCheckpointName(first)));
    if (note !== undefined) await take(note);
  }
  const [first] = checkpoints;
  if (first === undefined) throw new AuditLogError("CHECKPOINT_UNTRUSTED", "the log has no checkpoint");
  for (const { origin } of checkpoints) {
    if (origin !== first.origin) throw new AuditLogError("ORIGIN_MISMATCH", `a checkpoint is of '${origin}'`);
  }
  checkpoints.sort((a, b) => a.size - b.size);
  for (const [i, checkpoint] of checkpoints.entries()) {
    const next = checkpoints[i + 1];
    if (next?.size === checkpoint.size && Buffer.compare(next.root, checkpoint.root) !== 0) {
      throw new AuditLogError("FORKED", "two signed checkpoints of one size contradict each other", checkpoint.size);
    }
  }
  return checkpoints.filter(({ size }, i) => size !== checkpoints[i + 1]?.size);
}

class LogWalk {
  readonly #options: VerifyLogOptions;
  readonly #checkpoints: readonly Checkpoint[];
  readonly #bytesTotal: number;
  readonly #origin: string;
  readonly #frontier: MerkleFrontier = new MerkleFrontier();
  /** For each checkpoint that was reached, smallest first, whether the entries up to it are those that were signed. */
  readonly #matches: boolean[] = [];
  #bytes: number = 0;
  #reportedBytes: number = 0;
  /** The last line of the last segment may be torn; it is nobody's entry. */
  #torn: AuditLogError | undefined;
  /** An entry that is not in its place; whether it stands further behind is still looked for. */
  #missing: { readonly index: number; readonly error: AuditLogError } | undefined;

  constructor(options: VerifyLogOptions, checkpoints: readonly Checkpoint[], bytesTotal: number) {
    this.#options = options;
    this.#checkpoints = checkpoints;
    this.#bytesTotal = bytesTotal;
    this.#origin = checkpoints[0]?.origin ?? "";
    this.#compare();
  }

  async segment(first: number): Promise<void> {
    // Something behind what seemed the torn end: it was in the middle.
    if (this.#torn !== undefined) throw this.#torn;
    let isHead = true;
    let before = 0;
    await eachLine(join(this.#options.folder, segmentName(first)), (line) => {
      if (this.#torn !== undefined) throw this.#torn;
      if (isHead) this.#head(line, first);
      else this.#entry(line);
      isHead = false;
      this.#bytes += line.endBytes - before;
      before = line.endBytes;
      if (this.#bytes - this.#reportedBytes >= PROGRESS_BYTES) this.#report();
      return true;
    });
    if (isHead) this.#torn = new AuditLogError("SEGMENT_BROKEN", "a segment is empty", first);
  }

  finish(): VerifiedLog {
    this.#report();
    if (this.#missing !== undefined) throw this.#missing.error;
    const size = this.#frontier.size;
    const last = this.#checkpoints.at(-1) as Checkpoint;
    if (this.#matches.includes(false)) throw this.#contradiction();
    if (this.#matches.length < this.#checkpoints.length) {
      throw new AuditLogError("TRUNCATED", `there are ${size} entries, and ${last.size} are proven`, size);
    }
    return {
      origin: this.#origin,
      proven: last.size,
      unproven: size - last.size,
      checkpoints: this.#checkpoints.length,
      provenAtMs: last.atMs,
    };
  }

  #head(line: Line, first: number): void {
    if (!line.whole) {
      this.#torn = new AuditLogError("SEGMENT_BROKEN", "a segment's first line is torn", first);
      return;
    }
    if (this.#missing !== undefined) return;
    const size = this.#frontier.size;
    if (first !== size) {
      throw first > size
        ? new AuditLogError("ENTRY_MISSING", `the next segment begins with entry ${first}`, size)
        : new AuditLogError("ENTRY_REPEATED", "a segment begins before the one before it ends", first);
    }
    const head = readHead(textOf(line));
    if (head.origin !== this.#origin) throw new AuditLogError("ORIGIN_MISMATCH", `a segment is of '${head.origin}'`);
    const same = head.first === first && Buffer.compare(head.frontier.root(), this.#frontier.root()) === 0;
    if (!same)
      throw new AuditLogError("SEGMENT_BROKEN", "a segment begins otherwise than the one before it ended", first);
  }

  #entry({ tagged, whole }: Line): void {
    const size = this.#frontier.size;
    const index = whole ? indexOfEntry(tagged) : undefined;
    if (index === undefined) {
      const error = new AuditLogError("ENTRY_UNREADABLE", "the line is no entry", size);
      // An end that a crash tore is no fault, if all that is proven stands before it.
      if (whole) throw error;
      this.#torn = error;
      return;
    }
    if (this.#missing !== undefined) {
      this.#expectElsewhere(this.#missing.index, index);
      return;
    }
    if (index > size) {
      const error = new AuditLogError("ENTRY_MISSING", `the next entry has index ${index}`, size);
      this.#missing = { index: size, error };
      return;
    }
    // Every number below was there already: this one was repeated, or another put beside it.
    if (index < size) throw new AuditLogError("ENTRY_REPEATED", `its number is there again, before ${size}`, index);
    this.#frontier.append(sha256(tagged));
    this.#compare();
  }

  #expectElsewhere(missing: number, index: number): void {
    if (index !== missing) return;
    throw new AuditLogError("ENTRY_MISPLACED", "the entry stands behind later ones", index);
  }

  /** A mismatch is not told at once: whether the log was altered or forked shows at its end. */
  #compare(): void {
    for (;;) {
      const checkpoint = this.#checkpoints[this.#matches.length];
      if (checkpoint?.size !== this.#frontier.size) return;
      this.#matches.push(Buffer.compare(checkpoint.root, this.#frontier.root()) === 0);
    }
  }

  /** A checkpoint that the entries bear out vouches for all before it: where an earlier one disagrees, the signer signed two histories. */
  #contradiction(): AuditLogError {
    const wrong = this.#matches.indexOf(false);
    const [from, to] = [this.#checkpoints[wrong - 1]?.size ?? 0, (this.#checkpoints[wrong] as Checkpoint).size];
    return this.#matches.includes(true, wrong)
      ? new AuditLogError("FORKED", `the log was continued in two ways before entry ${to}`, from)
      : new AuditLogError("ALTERED", `entries from here to ${to} are not all those that were signed`, from);
  }

  #report(): void {
    this.#reportedBytes = this.#bytes;
    const { onProgress } = this.#options;
    const [origin, entries] = [this.#origin, this.#frontier.size];
    onProgress?.({ origin, entries, bytes: this.#bytes, bytesTotal: this.#bytesTotal });
  }
}

export interface VerifyOriginsOptions extends TrustedKeys {
  /** Folder of a replica, or of several one after the other: where the folders of origins lie. */
  readonly folders: readonly string[];
  /** The list of origins, from where the disks of the replicas cannot reach. Verification starts from it. */
  readonly published: readonly PublishedCheckpoint[];
  readonly onProgress?: (progress: Progress) => void;
}

export type OriginResult =
  | { readonly kind: "verified"; readonly log: VerifiedLog }
  | { readonly kind: "failed"; readonly origin: string; readonly error: AuditLogError }
  /** The file system did not give what it has: nobody knows. */
  | { readonly kind: "unreadable"; readonly origin: string; readonly error: NodeJS.ErrnoException };

const ORIGINS_OPTIONS: ReadonlySet<string> = new Set(["bundles", "suite", "folders", "published", "onProgress"]);

/**
 * Every origin of the list, each with its result; one that is bad does not hide another. All checkpoints of an origin are held to its log,
 * and to every copy of it that the folders hold. Rejects with AuditError `OPTION_INVALID`.
 */
export async function verifyOrigins(options: VerifyOriginsOptions): Promise<readonly OriginResult[]> {
  expectOptions(options, ORIGINS_OPTIONS);
  if (!Array.isArray(options.folders) || !Array.isArray(options.published)) {
    throw new AuditError("OPTION_INVALID", "folders and published are lists");
  }
  const { folders, published, onProgress, ...trust } = options;
  const results: OriginResult[] = [];
  for (const [origin, notes] of Map.groupBy(published, (one) => one.origin)) {
    const trusted = notes.map(({ note }) => note);
    const common = { ...trust, trusted, ...(onProgress !== undefined && { onProgress }) };
    results.push(await verifyCopies(folders, origin, common));
  }
  return results;
}

async function verifyCopies(
  folders: readonly string[],
  origin: string,
  options: Omit<VerifyLogOptions, "folder">,
): Promise<OriginResult> {
  const results: OriginResult[] = [];
  for (const parent of hasFolder(origin) ? folders : []) {
    const result = await verifyOrigin(originFolder(parent, origin), origin, options);
    if (result !== undefined) results.push(result);
  }
  // Where one copy is only short, another one may show why; and a copy that cannot be read does not hide what is wrong with another.
  const failed = results.filter(({ kind }) => kind === "failed");
  return (
    failed.find((result) => result.kind === "failed" && result.error.code === "FORKED") ??
    failed[0] ??
    results.find(({ kind }) => kind === "unreadable") ??
    results.at(-1) ?? {
      kind: "failed",
      origin,
      error: new AuditLogError("LOG_MISSING", `the log '${origin}' is in none of the folders`),
    }
  );
}

/** The log in one folder; undefined where there is no such folder. `origin`: what it must be. */
async function verifyOrigin(
  folder: string,
  origin: string,
  options: Omit<VerifyLogOptions, "folder">,
): Promise<OriginResult | undefined> {
  try {
    if (!(await isFolder(folder))) return undefined;
    const log = await verifyLog({ ...options, folder });
    if (log.origin !== origin) throw new AuditLogError("ORIGIN_MISMATCH", `the log is '${log.origin}'`);
    return { kind: "verified", log };
  } catch (error) {
    if (error instanceof AuditLogError) return { kind: "failed", origin, error };
    if (isOfFileSystem(error)) return { kind: "unreadable", origin, error };
    throw error;
  }
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes(String((error as NodeJS.ErrnoException).code))) return false;
    throw error;
  }
}
