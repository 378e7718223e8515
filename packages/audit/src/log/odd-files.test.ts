/** Logs on a disk that holds something else than files, more files than a process may have open, or files that change meanwhile. */
import { execFileSync } from "node:child_process";
import { mkdir, rename, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { AuditLogErrorCode } from "../errors.ts";
import type { AuditLog } from "./audit-log.ts";
import { originFoldersIn } from "./layout.ts";
import { appendAll, clock, NOW_MS, newFolder, openLog, originIn, record, removeFolder, trust } from "./log-fixture.ts";
import { MemoryOriginRegistry } from "./registry.ts";
import { verifyLog, verifyOrigins } from "./verify.ts";

/** Runs once, between the listing of a log's files and whatever is done with it. */
let meanwhile: (() => Promise<void>) | undefined;
vi.mock(import("./layout.ts"), async (original) => {
  const layout = await original();
  return {
    ...layout,
    async segmentsIn(folder: string) {
      const segments = await layout.segmentsIn(folder);
      const [run] = [meanwhile];
      meanwhile = undefined;
      await run?.();
      return segments;
    },
  };
});

const SEGMENT = "entries-0000000000000000.jsonl";
let folder: string;
let registry: MemoryOriginRegistry;
/** Of the first of two logs in it. */
let origin: string;
beforeEach(async () => {
  folder = await newFolder();
  registry = new MemoryOriginRegistry();
  clock.ms = NOW_MS;
  const first = await logOf(3);
  origin = await originIn(folder);
  await rm(join(folder, "current"));
  await logOf(2);
  expect(await verdicts()).toEqual([first.origin, "ok"]);
});
afterEach(() => removeFolder(folder));

async function logOf(entries: number): Promise<AuditLog> {
  const log = await openLog(folder, { registry });
  await appendAll(log, 0, entries);
  await log.close();
  return log;
}

/** What is said of the first log; the other one must be found whole whatever happens. */
async function verdicts(): Promise<readonly string[]> {
  const results = await verifyOrigins({ ...trust, folders: [folder], published: await registry.list() });
  const [one, two] = results.map((result) =>
    result.kind === "verified" ? [result.log.origin, "ok"] : [result.kind, String(result.error.code)],
  );
  expect(two?.[1]).toBe("ok");
  return one as readonly string[];
}

describe("a log of whose files one is none", () => {
  const pipe = (path: string) => Promise.resolve(execFileSync("mkfifo", [path]));
  it.each<[string, AuditLogErrorCode, string, (path: string) => Promise<unknown>]>([
    ["a folder", "SEGMENT_BROKEN", SEGMENT, (path) => mkdir(path)],
    ["a pipe", "SEGMENT_BROKEN", SEGMENT, pipe],
    ["a link to nowhere", "SEGMENT_BROKEN", SEGMENT, (path) => symlink("/nowhere/at/all", path)],
    ["a device", "SEGMENT_BROKEN", SEGMENT, (path) => symlink("/dev/zero", path)],
    ["a folder", "CHECKPOINT_MALFORMED", "checkpoint", (path) => mkdir(path)],
    ["a pipe", "CHECKPOINT_MALFORMED", "checkpoint", pipe],
    ["a device", "CHECKPOINT_MALFORMED", "checkpoint", (path) => symlink("/dev/zero", path)],
    [
      "a file that is larger than memory",
      "CHECKPOINT_MALFORMED",
      "checkpoint",
      async (path) => {
        await symlink(join(folder, "large"), path);
        await writeFile(join(folder, "large"), "");
        await truncate(join(folder, "large"), 2 ** 40);
      },
    ],
  ])("does not verify, is not waited for, and is not continued: %s, %s", async (_, code, name, put) => {
    await rm(join(origin, name));
    await put(join(origin, name));
    expect(await verdicts()).toEqual(["failed", code]);
    await writeFile(join(folder, "current"), `kavach/${origin.split("/").at(-1)}\n`);
    const log = await openLog(folder);
    expect(log.opening.abandoned).toMatchObject({ why: code });
    await log.close();
  });

  it("is unknown where the file system does not give what it has, and hides no other", async () => {
    const path = join(origin, SEGMENT);
    await rename(path, join(folder, "aside"));
    await symlink(SEGMENT, path);
    expect(await verdicts()).toEqual(["unreadable", "ELOOP"]);
  });
});

describe("folders of logs", () => {
  it("are found where they were moved to behind a link, and where nobody may look into them", async () => {
    const [one, two] = (await originFoldersIn(folder)) as [string, string];
    const elsewhere = await newFolder();
    await rename(one, join(elsewhere, "moved"));
    await symlink(join(elsewhere, "moved"), one);
    // Links to themselves: nobody may look into them, either.
    const closed = join(folder, "0194f2c0-0000-7000-8000-000000000001");
    await symlink(closed, closed);
    await symlink(join(folder, "lost+found"), join(folder, "lost+found"));
    expect(await originFoldersIn(folder)).toEqual([one, two, closed].sort());
    expect((await verifyLog({ ...trust, folder: one })).proven).toBeGreaterThan(1);
    await removeFolder(elsewhere);
  });
});

describe("a log that is written while it is verified", () => {
  it("is held to what was signed before its files were listed, and so never taken for a shorter one", async () => {
    const parent = join(folder, "live");
    const log = await openLog(parent, { segmentBytesMax: 4096 });
    await appendAll(log, 0, 20);
    await log.checkpoint();
    meanwhile = async () => {
      for (let n = 20; n < 40; n++) await log.append(record(n));
      await log.checkpoint();
    };
    const live = { ...trust, folder: await originIn(parent) };
    expect(await verifyLog(live)).toMatchObject({ proven: 20 });
    expect(meanwhile).toBeUndefined();
    await log.close();
    expect(await verifyLog(live)).toMatchObject({ proven: 40, unproven: 0 });
  });
});
