import {
  appendFile,
  copyFile,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  truncate,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { AuditErrorCode } from "../errors.ts";
import { appendAll, clock, NOW_MS, newFolder, openLog, originIn, record, removeFolder, trust } from "./log-fixture.ts";
import { verifyLog } from "./verify.ts";

const code = (wanted: AuditErrorCode) => expect.objectContaining({ name: "AuditError", code: wanted });
const failure = (name: string) => Object.assign(new Error(name), { code: name });
let folder: string;
let reports: string[];
beforeEach(async () => {
  folder = await newFolder();
  reports = [];
  clock.ms = NOW_MS;
});
afterEach(async () => {
  vi.restoreAllMocks();
  await removeFolder(folder);
});
const report = (_: unknown, what: string) => reports.push(what);
const segmentOf = async (origin: string) =>
  join(origin, (await readdir(origin)).filter((name) => name.endsWith(".jsonl")).at(-1) as string);

/** The methods of every file handle. */
async function handles(): Promise<Record<"write" | "datasync" | "truncate", (...args: unknown[]) => unknown>> {
  const probe = await open(join(folder, "current"));
  await probe.close();
  return Object.getPrototypeOf(probe);
}

async function expectStopped(log: Awaited<ReturnType<typeof openLog>>): Promise<void> {
  await expect(log.append(record(9))).rejects.toEqual(code("LOG_STOPPED"));
  expect(reports.filter((what) => what === "audit log stopped")).toHaveLength(1);
}

describe("a disk that fails while a log is written", () => {
  it.each(["EIO", "EROFS", "ESTALE"])(
    "stops the log at a sync that fails with %s, for a second one could say yes to what is lost",
    async (name) => {
      const log = await openLog(folder, { report });
      await appendAll(log, 0, 3);
      const sync = vi.spyOn(await handles(), "datasync").mockRejectedValueOnce(failure(name));
      await expect(log.append(record(3))).rejects.toEqual(code("WRITE_FAILED"));
      await expectStopped(log);
      expect(sync).toHaveBeenCalledTimes(1);
      await log.close();
      expect(await verifyLog({ ...trust, folder: await originIn(folder) })).toMatchObject({ proven: 3, unproven: 0 });
      const again = await openLog(folder);
      expect(again.opening).toMatchObject({ entries: 3, abandoned: undefined });
      await again.close();
    },
  );

  it("stops the log when a checkpoint's sync fails so", async () => {
    const log = await openLog(folder, { report });
    await appendAll(log, 0, 1);
    vi.spyOn(await handles(), "datasync").mockRejectedValueOnce(failure("EIO"));
    await expect(log.checkpoint()).rejects.toMatchObject({ code: "EIO" });
    await expectStopped(log);
    await log.close();
  });

  it("writes the rest of what was taken in parts, and cuts off a part that stayed alone", async () => {
    const log = await openLog(folder);
    await appendAll(log, 0, 2);
    const proto = await handles();
    const { write } = proto;
    let calls = 0;
    vi.spyOn(proto, "write").mockImplementation(function (this: unknown, bytes, at, length) {
      calls++;
      return Reflect.apply(write, this, [bytes, at, Math.min(7, length as number)]);
    });
    await appendAll(log, 2, 2);
    expect(calls).toBeGreaterThan(50);
    // A full disk takes what fits, and says so only at the next call.
    calls = 0;
    vi.spyOn(proto, "write").mockImplementation(function (this: unknown, bytes, at, length) {
      if (calls++ > 0) return Promise.reject(failure("ENOSPC"));
      return Reflect.apply(write, this, [bytes, at, Math.min(50, length as number)]);
    });
    await expect(log.append(record(4))).rejects.toEqual(code("WRITE_FAILED"));
    vi.restoreAllMocks();
    await appendAll(log, 5, 1);
    await log.close();
    const origin = await originIn(folder);
    expect(await verifyLog({ ...trust, folder: origin })).toMatchObject({ proven: 5, unproven: 0 });
    expect((await readFile(await segmentOf(origin), "utf8")).match(/agent-\d/g)?.join()).toBe(
      "agent-0,agent-1,agent-2,agent-3,agent-5",
    );
  });

  it("stops the log where a file takes nothing and gives no reason, rather than ask for ever", async () => {
    const log = await openLog(folder, { report });
    vi.spyOn(await handles(), "write").mockResolvedValue({ bytesWritten: 0 });
    await expect(log.append(record(0))).rejects.toEqual(code("WRITE_FAILED"));
    vi.restoreAllMocks();
    await expectStopped(log);
    await log.close();
  });

  it("leaves nothing torn between two segments when the disk was full at the end of one", async () => {
    const log = await openLog(folder, { segmentBytesMax: 4096 });
    let n = 0;
    const origin = await originIn(folder);
    const sizeOf = async () => (await readFile(await segmentOf(origin))).length;
    while ((await sizeOf()) < 4096 - 600) await log.append(record(n++));
    await log.append(record(n++));
    const proto = await handles();
    const { write } = proto;
    let calls = 0;
    vi.spyOn(proto, "write").mockImplementation(function (this: unknown, bytes, at, length) {
      if (calls++ > 0) return Promise.reject(failure("ENOSPC"));
      return Reflect.apply(write, this, [bytes, at, (length as number) - 5]);
    });
    await expect(log.append(record(n))).rejects.toEqual(code("WRITE_FAILED"));
    vi.restoreAllMocks();
    await appendAll(log, n, 20);
    await log.close();
    expect(await verifyLog({ ...trust, folder: origin })).toMatchObject({ proven: n + 20, unproven: 0 });
  });
});

describe("a log whose files are somebody else's concern as well", () => {
  it.each<[string, (path: string) => Promise<unknown>]>([
    ["its folder is removed", (path) => rm(join(path, ".."), { recursive: true })],
    ["its file is removed", (path) => rm(path)],
    [
      "another file is put in its place",
      async (path) => {
        await copyFile(path, `${path}.copy`);
        await rename(`${path}.copy`, path);
      },
    ],
    ["it is cut", (path) => truncate(path, 100)],
    ["another process writes to it", (path) => appendFile(path, "{}\n")],
  ])("acknowledges nothing and stops when %s", async (_, change) => {
    const log = await openLog(folder, { report });
    await appendAll(log, 0, 2);
    await change(await segmentOf(await originIn(folder)));
    await expect(log.append(record(2))).rejects.toEqual(code("WRITE_FAILED"));
    await expectStopped(log);
    expect(log.size).toBe(2);
    await log.close().catch(() => {});
  });

  it("notices at the next checkpoint that its folder is gone, and says so", async () => {
    const log = await openLog(folder, { report, checkpointEveryMs: 10 });
    await appendAll(log, 0, 1);
    // The log puts checkpoints there meanwhile.
    await rm(await originIn(folder), { recursive: true, maxRetries: 10, retryDelay: 1 });
    await appendAll(log, 1, 1).catch(() => {});
    await expect.poll(() => reports).toContain("audit log stopped");
    await expectStopped(log);
    await expect(log.close()).rejects.toMatchObject({ code: "ENOENT" });
  });

  it("cuts off nothing of a file that another process has written to", async () => {
    const log = await openLog(folder);
    await appendAll(log, 0, 2);
    const path = await segmentOf(await originIn(folder));
    await appendFile(path, "theirs\n");
    await expect(log.append(record(2))).rejects.toEqual(code("WRITE_FAILED"));
    await log.close();
    expect(await readFile(path, "utf8")).toContain("theirs\n");
  });

  it("does not begin where another process has the lock, or where none can be had", async () => {
    await mkdir(folder, { recursive: true });
    const other = new DatabaseSync(join(folder, "lock"));
    other.exec("BEGIN EXCLUSIVE");
    await expect(openLog(folder)).rejects.toEqual(code("LOG_IN_USE"));
    other.close();
    await writeFile(join(folder, "lock"), "what is no lock".repeat(100));
    await expect(openLog(folder)).rejects.toEqual(code("LOCK_UNAVAILABLE"));
    expect(await readdir(folder)).toEqual(["lock"]);
  });
});

describe("a clock", () => {
  it("that goes back is written down as it is, and loses nothing", async () => {
    const log = await openLog(folder);
    await appendAll(log, 0, 1);
    await log.checkpoint();
    clock.ms = NOW_MS - 86_400_000;
    await appendAll(log, 1, 1);
    await log.close();
    const verified = await verifyLog({ ...trust, folder: await originIn(folder) });
    expect(verified).toMatchObject({ proven: 2, unproven: 0, provenAtMs: NOW_MS - 86_400_000 });
    await (await openLog(folder)).close();
  });

  it.each([NaN, -1, 8e15])("that says %d makes no checkpoint that could not be read", async (ms) => {
    const log = await openLog(folder);
    await appendAll(log, 0, 1);
    clock.ms = ms;
    await expect(log.checkpoint()).rejects.toThrow(/no time of a checkpoint|has expired/);
    clock.ms = NOW_MS;
    await log.close();
    expect(await verifyLog({ ...trust, folder: await originIn(folder) })).toMatchObject({ proven: 1 });
  });
});
