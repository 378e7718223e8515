/** Opens the folder of a replica: goes on with its log where that can be proven whole, or begins a new one. */
import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { MerkleFrontier, randomBytes } from "@kavach/crypto";
import { uuidFromRandom } from "@kavach/model";
import { within } from "@kavach/system";
import { AuditError } from "../errors.ts";
import { type Checkpoint, newestCheckpoint, ORIGIN_FORM, readCheckpoint } from "./checkpoint.ts";
import { CHECKPOINT, CURRENT, DRAFT, originFoldersIn, replaceFile, syncFolder } from "./layout.ts";
import { readIfThere } from "./plain-file.ts";
import { type Abandoned, recover } from "./recovery.ts";
import type { PublishedCheckpoint } from "./registry.ts";
import { Segment } from "./segment.ts";
import type { Settings } from "./settings.ts";
import { signFrontier } from "./signing.ts";

/** Longest wait for the list of origins, milliseconds. */
const REGISTRY_WAIT_MS = 5000;

/** How the log was found at start. */
export interface Opening {
  /** Entries that were there. */
  readonly entries: number;
  /** Bytes of entries that nobody was told of, cut off behind a crash. */
  readonly cutBytes: number;
  /** The log that is not continued, and why; a new one was begun. */
  readonly abandoned: AbandonedLog | undefined;
}

interface AbandonedLog {
  readonly origin: string;
  readonly why: Abandoned;
}

export interface OpenedFolder {
  readonly origin: string;
  /** Of this origin alone. */
  readonly folder: string;
  readonly opening: Opening;
  readonly segment: Segment;
  readonly frontier: MerkleFrontier;
}

/** The folder of an origin is named by the last part of its name, which tells it from every other. */
export function originFolder(folder: string, origin: string): string {
  return join(folder, origin.slice(origin.lastIndexOf("/") + 1));
}

/** False for a name that would lead out of the folder, or nowhere. */
export const hasFolder = (origin: string): boolean => ORIGIN_FORM.test(origin) && !/(^|\/)\.{0,2}$/.test(origin);

/** Rejects with AuditError `REGISTRY_UNAVAILABLE`, and with whatever the file system says. */
export async function openFolder(settings: Settings): Promise<OpenedFolder> {
  const current = await readIfThere(join(settings.folder, CURRENT));
  if (current === undefined) return await beginLog(settings, await lostLog(settings));
  const origin = Buffer.from(current).toString("utf8").trimEnd();
  if (!hasFolder(origin)) return await beginLog(settings, { origin, why: "SEGMENT_BROKEN" });
  const folder = originFolder(settings.folder, origin);
  const recovered = await recover(folder, origin, await publishedNote(settings, origin), settings);
  if (typeof recovered === "string") return await beginLog(settings, { origin, why: recovered });
  const { segment: first, segmentBytes, frontier, cutBytes } = recovered;
  const segment = await Segment.resume(folder, first, segmentBytes);
  return { origin, folder, segment, frontier, opening: { entries: frontier.size, cutBytes, abandoned: undefined } };
}

async function publishedNote(settings: Settings, origin: string): Promise<Uint8Array | undefined> {
  return (await publishedOrigins(settings)).find((published) => published.origin === origin)?.note;
}

async function publishedOrigins({ registry }: Settings): Promise<readonly PublishedCheckpoint[]> {
  try {
    return await within(REGISTRY_WAIT_MS, registry.list());
  } catch (cause) {
    throw new AuditError("REGISTRY_UNAVAILABLE", "the list of origins cannot be read", { cause });
  }
}

/** What a replica of this name wrote last, where its folder knows of nothing any more: by the list, else by what lies in the folder. */
async function lostLog(settings: Settings): Promise<AbandonedLog | undefined> {
  const { folder, name } = settings;
  const ofThis = (await publishedOrigins(settings)).filter(
    ({ origin }) => origin.slice(0, origin.lastIndexOf("/")) === name,
  );
  const listed = latestOf(ofThis);
  if (listed !== undefined) return { origin: listed, why: "LOG_MISSING" };
  const lying = await Promise.all((await originFoldersIn(folder)).map(newestCheckpoint));
  // A first start that was killed before it was through leaves a log that nobody has written to, and nothing to miss.
  const left = latestOf(lying.filter((one) => one !== undefined).filter(({ note }) => readable(note)?.size !== 0));
  return left === undefined ? undefined : { origin: left, why: "CURRENT_MISSING" };
}

/** Whose checkpoint says the latest time; whether it is true does not matter here, for nothing is continued. */
function latestOf(published: readonly PublishedCheckpoint[]): string | undefined {
  const times = published.map(({ origin, note }) => ({ origin, atMs: readable(note)?.atMs ?? 0 }));
  return times.toSorted((a, b) => b.atMs - a.atMs)[0]?.origin;
}

/** What a note says, whoever has signed it; undefined where it is no checkpoint. */
function readable(note: Uint8Array): Pick<Checkpoint, "size" | "atMs"> | undefined {
  try {
    return readCheckpoint(note);
  } catch {
    return undefined;
  }
}

async function beginLog(settings: Settings, abandoned: AbandonedLog | undefined): Promise<OpenedFolder> {
  const origin = `${settings.name}/${uuidFromRandom(randomBytes(16))}`;
  const folder = originFolder(settings.folder, origin);
  await removeDrafts(settings.folder);
  // Made under another name, so that a crash leaves either no log or one that has a checkpoint.
  const draft = `${folder}${DRAFT}`;
  await mkdir(draft, { mode: 0o700 });
  const frontier = new MerkleFrontier();
  const segment = await Segment.create(draft, { origin, first: 0, frontier });
  try {
    await replaceFile(draft, CHECKPOINT, await signFrontier(settings, origin, frontier));
    await rename(draft, folder);
    await syncFolder(settings.folder);
    await replaceFile(settings.folder, CURRENT, Buffer.from(`${origin}\n`, "utf8"));
  } catch (error) {
    await segment.close();
    throw error;
  }
  return { origin, folder, segment, frontier, opening: { entries: 0, cutBytes: 0, abandoned } };
}

/** Logs that a crash left before anything could be written to them. */
async function removeDrafts(folder: string): Promise<void> {
  const entries = await readdir(folder, { withFileTypes: true });
  const drafts = entries.filter((entry) => entry.isDirectory() && entry.name.endsWith(DRAFT));
  for (const { name } of drafts) await rm(join(folder, name), { recursive: true });
}
