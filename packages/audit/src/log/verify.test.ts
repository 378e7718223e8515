import { cp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { KavachKeyPair, leafHash, MerkleFrontier } from "@kavach/crypto";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { AuditLogErrorCode } from "../errors.ts";
import { AuditLog } from "./audit-log.ts";
import { signCheckpoint } from "./checkpoint.ts";
import { headLine } from "./layout.ts";
import {
  appendAll,
  clock,
  keyPair,
  NOW_MS,
  newFolder,
  openLog,
  originIn,
  record,
  removeFolder,
  trust,
} from "./log-fixture.ts";
import { MemoryOriginRegistry, type PublishedCheckpoint } from "./registry.ts";
import { type Progress, verifyLog, verifyOrigins } from "./verify.ts";

const fails = (code: AuditLogErrorCode, index?: number) =>
  expect.objectContaining({ name: "AuditLogError", code, ...(index !== undefined && { index }) });

let folder: string;
let origin: string;
let originName: string;
let registry: MemoryOriginRegistry;
/** Twenty entries in several segments. */
beforeEach(async () => {
  folder = await newFolder();
  registry = new MemoryOriginRegistry();
  const log = await openLog(folder, { registry, segmentBytesMax: 4096 });
  for (let n = 0; n < 20; n++) await log.append(record(n));
  await log.close();
  origin = await originIn(folder);
  originName = log.origin;
});
afterEach(() => removeFolder(folder));

const trustedNote = async () => (await registry.list())[0]?.note as Uint8Array;
const verify = async () => verifyLog({ ...trust, folder: origin, trusted: await trustedNote() });
const segments = async () => (await readdir(origin)).filter((name) => name.endsWith(".jsonl")).sort();

/** Every entry's line of the log, in order, without index. */
async function allEntries(): Promise<string[]> {
  const texts = await Promise.all((await segments()).map((name) => readFile(join(origin, name), "utf8")));
  return texts
    .flatMap((text) => text.trimEnd().split("\n").slice(1))
    .map((line) => line.replace(/^\{"index":\d+,/, "{"));
}

/**
 * What an attacker with the disk and without the key can do at best: the entries as they like them, numbered anew, in one segment whose
 * unsigned head is right, with the signed checkpoints that there are, or without those that get in the way.
 */
async function rewrite(entries: readonly string[], keepCheckpoints = false): Promise<void> {
  for (const name of await readdir(origin)) {
    if (name.endsWith(".jsonl") || !keepCheckpoints) await rm(join(origin, name));
  }
  const lines = entries.map((line, index) => `{"index":${index},${line.slice(1)}\n`);
  const head = headLine({ origin: originName, first: 0, frontier: new MerkleFrontier() });
  await writeFile(join(origin, "entries-0000000000000000.jsonl"), head + lines.join(""));
}

describe("verifyLog", () => {
  it("refuses what it would not look at, and a trusted checkpoint that is none", async () => {
    const refused = expect.objectContaining({ name: "AuditError", code: "OPTION_INVALID" });
    const asked = (options: object) => verifyLog({ ...trust, folder: origin, ...options });
    for (const options of [{ trust: [1] }, { checkpoint: await trustedNote() }, { trusted: null }, { trusted: 5 }]) {
      await expect(asked(options)).rejects.toEqual(refused);
    }
    for (const trusted of [[undefined], [null], ["x"], new Uint8Array(3)]) {
      await expect(asked({ trusted })).rejects.toEqual(fails("CHECKPOINT_MALFORMED"));
    }
    await expect(asked({ bundles: undefined })).rejects.toEqual(fails("CHECKPOINT_UNTRUSTED"));
    const listed = { ...trust, folders: [folder], published: await registry.list() };
    for (const options of [{ registry }, { published: undefined }, { folders: folder }]) {
      await expect(verifyOrigins({ ...listed, ...options } as never)).rejects.toEqual(refused);
    }
    for (const none of [undefined, null, folder]) {
      await expect(verifyLog(none as never)).rejects.toEqual(refused);
      await expect(verifyOrigins(none as never)).rejects.toEqual(refused);
      await expect(AuditLog.open(none as never)).rejects.toEqual(refused);
    }
  });

  it("finds a whole log whole, and says how far it is proven", async () => {
    const progress: Progress[] = [];
    const verified = await verifyLog({ ...trust, folder: origin, onProgress: (at) => progress.push(at) });
    expect(verified).toMatchObject({ origin: originName, proven: 20, unproven: 0, provenAtMs: NOW_MS });
    expect(verified.checkpoints).toBe((await segments()).length);
    expect(progress.at(-1)).toMatchObject({ origin: originName, entries: 20 });
    expect(progress.at(-1)?.bytes).toBe(progress.at(-1)?.bytesTotal);
  });

  it("takes a rewritten log for whole only when nothing was changed (the tests below can fail)", async () => {
    await rewrite(await allEntries());
    expect(await verify()).toMatchObject({ proven: 20, unproven: 0 });
  });

  it.each<[string, AuditLogErrorCode, (entries: string[]) => string[]]>([
    ["an edit", "ALTERED", (e) => e.with(7, (e[7] as string).replace("agent-7", "agent-8"))],
    ["a deletion", "TRUNCATED", (e) => e.toSpliced(7, 1)],
    ["a deletion made up for by an entry at the end", "ALTERED", (e) => [...e.toSpliced(7, 1), e[0] as string]],
    ["an exchange of two", "ALTERED", (e) => e.with(7, e[8] as string).with(8, e[7] as string)],
    ["a repetition", "ALTERED", (e) => e.toSpliced(7, 0, e[7] as string)],
    ["an insertion", "ALTERED", (e) => e.toSpliced(7, 0, (e[7] as string).replace("refuse", "permit"))],
    ["an insertion before the first", "ALTERED", (e) => [e[0] as string, ...e]],
    ["a cut tail", "TRUNCATED", (e) => e.slice(0, 19)],
    ["an empty log", "TRUNCATED", () => []],
  ])("detects %s by an attacker who numbers and hashes anew", async (_, code, change) => {
    await rewrite(change(await allEntries()));
    await expect(verify()).rejects.toEqual(fails(code));
  });

  it("detects a deletion in the middle by the checkpoints that are left, too", async () => {
    await rewrite((await allEntries()).toSpliced(1, 1), true);
    await expect(verifyLog({ ...trust, folder: origin })).rejects.toEqual(fails("ALTERED", 0));
  });

  it("detects every single-bit flip of a small log", { timeout: 120_000 }, async () => {
    const small = join(folder, "small");
    const log = await openLog(small);
    await log.append(record(0));
    await log.close();
    const options = { ...trust, folder: await originIn(small) };
    const path = join(options.folder, "entries-0000000000000000.jsonl");
    const bytes = await readFile(path);
    expect(await verifyLog(options)).toMatchObject({ proven: 1, unproven: 0 });
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      await writeFile(path, bytes.with(bit >> 3, (bytes[bit >> 3] as number) ^ (1 << (bit & 7))));
      await expect(verifyLog(options), `bit ${bit}`).rejects.toMatchObject({ name: "AuditLogError" });
    }
  });

  it("says which entry is missing, repeated, misplaced or none, where the attacker leaves the numbers", async () => {
    const first = join(origin, (await segments())[0] as string);
    const text = await readFile(first, "utf8");
    const lines = text.trimEnd().split("\n");
    const swap = (change: (lines: string[]) => string[]) => writeFile(first, `${change(lines).join("\n")}\n`);
    for (const [code, index, change] of [
      ["ENTRY_MISSING", 2, (l: string[]) => l.toSpliced(3, 1)],
      ["ENTRY_REPEATED", 2, (l: string[]) => l.toSpliced(3, 0, l[3] as string)],
      ["ENTRY_MISPLACED", 2, (l: string[]) => l.with(3, l[4] as string).with(4, l[3] as string)],
      ["ENTRY_REPEATED", 0, (l: string[]) => l.toSpliced(4, 0, l[1] as string)],
      ["ENTRY_UNREADABLE", 2, (l: string[]) => l.with(3, "{}")],
    ] as const) {
      await swap(change as (lines: string[]) => string[]);
      await expect(verify(), code).rejects.toEqual(fails(code, index));
    }
  });

  it("detects a segment that is gone, exchanged, of another log, or begins otherwise", async () => {
    const [one, two, three] = (await segments()) as [string, string, string];
    const path = join(origin, two);
    const text = await readFile(path, "utf8");
    await rename(path, join(folder, "aside"));
    await expect(verify()).rejects.toEqual(fails("ENTRY_MISSING"));
    await cp(join(origin, three), path);
    await expect(verify()).rejects.toEqual(fails("SEGMENT_BROKEN"));
    await writeFile(path, text.replace(originName, "kavach/other"));
    await expect(verify()).rejects.toEqual(fails("ORIGIN_MISMATCH"));
    await writeFile(path, text.replace(/"frontier":\["./, '"frontier":["f'));
    await expect(verify()).rejects.toMatchObject({ name: "AuditLogError" });
    await writeFile(path, "");
    await expect(verify()).rejects.toEqual(fails("SEGMENT_BROKEN"));
    for (const name of [one, two, three]) await rm(join(origin, name));
    await expect(verify()).rejects.toMatchObject({ name: "AuditLogError" });
  });

  it("reports what lies behind the newest checkpoint as unproven, torn or not", async () => {
    const last = join(origin, (await segments()).at(-1) as string);
    const text = await readFile(last, "utf8");
    const entry = text.trimEnd().split("\n").at(-1) as string;
    await writeFile(last, `${text}${entry.replace('"index":19', '"index":20')}\n${entry.slice(0, 40)}`);
    expect(await verify()).toMatchObject({ proven: 20, unproven: 1 });
  });

  it("takes no checkpoint of a stranger, of another suite, or of another log, and none is not enough", async () => {
    const stranger = KavachKeyPair.generate({ clock }).publicKeys();
    await expect(verifyLog({ folder: origin, bundles: [stranger], suite: trust.suite })).rejects.toEqual(
      fails("CHECKPOINT_UNTRUSTED"),
    );
    await expect(verifyLog({ ...trust, folder: origin, suite: "ml-dsa-65" })).rejects.toEqual(
      fails("CHECKPOINT_UNTRUSTED"),
    );
    const other = await signCheckpoint(
      { origin: "kavach/other", size: 0, root: new MerkleFrontier().root(), atMs: NOW_MS, suite: trust.suite },
      keyPair,
    );
    await expect(verifyLog({ ...trust, folder: origin, trusted: other })).rejects.toEqual(fails("ORIGIN_MISMATCH"));
    await rewrite(await allEntries());
    await expect(verifyLog({ ...trust, folder: origin })).rejects.toEqual(fails("CHECKPOINT_UNTRUSTED"));
  });
});

describe("a log that was continued in two ways with the real key", () => {
  it("is told from one that was altered", async () => {
    const entries = await allEntries();
    const over = async (list: readonly string[]) => {
      const frontier = new MerkleFrontier();
      for (const [i, line] of list.entries()) frontier.append(leafHash(Buffer.from(`{"index":${i},${line.slice(1)}`)));
      const { size } = frontier;
      return signCheckpoint(
        { origin: originName, size, root: frontier.root(), atMs: NOW_MS, suite: trust.suite },
        keyPair,
      );
    };
    const fork = [...entries.slice(0, 15), ...entries.slice(0, 10)];
    await rewrite(fork);
    await writeFile(join(origin, "checkpoint"), await over(fork));
    await expect(verify()).rejects.toEqual(fails("FORKED"));
    await writeFile(join(origin, "checkpoint"), await over(fork.slice(0, 20)));
    await expect(verify()).rejects.toEqual(fails("FORKED", 20));
    await writeFile(join(origin, "checkpoint"), await over(fork.slice(0, 12)));
    await expect(verify()).rejects.toEqual(fails("ALTERED", 12));
  });
});

describe("verifyOrigins", () => {
  const all = async () => verifyOrigins({ ...trust, folders: [folder], published: await registry.list() });

  it("starts from the list, so that a log which vanished or went back is missed, and one fault hides no other log", async () => {
    await rm(join(folder, "current"));
    const second = await openLog(folder, { registry });
    await appendAll(second, 0, 3);
    await second.close();
    expect(await all()).toMatchObject([
      { kind: "verified", log: { origin: originName, proven: 20 } },
      { kind: "verified", log: { origin: second.origin, proven: 3 } },
    ]);
    await rename(origin, join(folder, "aside"));
    expect(await all()).toMatchObject([
      { kind: "failed", origin: originName, error: { code: "LOG_MISSING" } },
      { kind: "verified", log: { origin: second.origin } },
    ]);
  });

  it("does not take one origin's log and checkpoint for another's", async () => {
    const [published] = await registry.list();
    const results = await verifyOrigins({
      ...trust,
      folders: [folder],
      published: [{ ...(published as PublishedCheckpoint), origin: `other/${originName.split("/").at(-1)}` }],
    });
    expect(results).toMatchObject([{ kind: "failed", error: { code: "ORIGIN_MISMATCH" } }]);
  });
});
