import { appendFile, open, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { KavachKeyPair, KeyRing } from "@kavach/crypto";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { recordLine } from "../record.ts";
import { AuditLog } from "./audit-log.ts";
import { entryLine } from "./layout.ts";
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
import { MemoryOriginRegistry } from "./registry.ts";
import { verifyLog } from "./verify.ts";

const code = (wanted: string) => expect.objectContaining({ name: "AuditError", code: wanted });
let folder: string;
beforeEach(async () => {
  folder = await newFolder();
  clock.ms = NOW_MS;
});
afterEach(async () => {
  vi.restoreAllMocks();
  await removeFolder(folder);
});
const verify = async () => verifyLog({ ...trust, folder: await originIn(folder) });
const segmentOf = async (origin: string) =>
  join(origin, (await readdir(origin)).find((name) => name.endsWith("l")) ?? "");

/** Makes every call of a file handle's method go another way. */
async function intercept(method: "write" | "datasync", how: (...args: never[]) => unknown) {
  const probe = await open(join(folder, "current"));
  const spy = vi.spyOn(Object.getPrototypeOf(probe), method).mockImplementation(how as never);
  await probe.close();
  return spy;
}
const fullDisk = Object.assign(new Error("no space left"), { code: "ENOSPC" });

describe("AuditLog", () => {
  it("is signed with whatever key its ring says, over segments too, and proven by all of them", async () => {
    const next = KavachKeyPair.generate({ clock });
    const keyRing = new KeyRing({ active: keyPair, clock });
    const log = await AuditLog.open({ folder, keyRing, clock, segmentBytesMax: 4096, checkpointEveryMs: 60_000 });
    await appendAll(log, 0, 20);
    await log.checkpoint();
    expect(await verify()).toMatchObject({ proven: 20, unproven: 0 });
    keyRing.rotate(next);
    await appendAll(log, 20, 20);
    await log.close();
    const folderOfLog = { suite: trust.suite, folder: await originIn(folder) };
    const both = await verifyLog({ ...folderOfLog, bundles: keyRing.bundles() });
    expect(both).toMatchObject({ proven: 40, unproven: 0 });
    expect(both.checkpoints).toBeGreaterThan(1);
    await expect(verify()).rejects.toEqual(expect.objectContaining({ code: "CHECKPOINT_UNTRUSTED" }));
    const twoKeys = AuditLog.open({ folder, keyRing, keyPair, clock });
    await expect(twoKeys).rejects.toEqual(code("OPTION_INVALID"));
    await expect(AuditLog.open({ folder, clock })).rejects.toEqual(code("OPTION_INVALID"));
  });

  it("keeps a line for each entry, for its owner alone, and goes on after it was closed", async () => {
    for (const from of [0, 10]) {
      const log = await openLog(folder);
      expect(log.opening).toEqual({ entries: from, cutBytes: 0, abandoned: undefined });
      await appendAll(log, from, 10);
      expect(log.size).toBe(from + 10);
      await log.close();
    }
    expect(await verify()).toMatchObject({ proven: 20, unproven: 0, provenAtMs: NOW_MS });
    const path = await segmentOf(await originIn(folder));
    const [head, ...lines] = (await readFile(path, "utf8")).split("\n");
    expect(JSON.parse(head as string)).toMatchObject({ format: "kavach-audit-log-v2", first: 0, frontier: [] });
    expect(lines).toEqual([...Array.from({ length: 20 }, (_, n) => entryLine(n, recordLine(record(n))).trimEnd()), ""]);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect((await stat(await originIn(folder))).mode & 0o777).toBe(0o700);
  });

  it("acknowledges nothing before it is durable, and makes what waits durable together", async () => {
    const log = await openLog(folder);
    let go = () => {};
    const held = new Promise<void>((resolve) => {
      go = resolve;
    });
    const syncs = await intercept("datasync", () => held);
    let acknowledged = 0;
    const appends = Array.from({ length: 100 }, (_, n) => log.append(record(n)).then(() => acknowledged++));
    await expect.poll(() => syncs.mock.calls.length).toBe(1);
    expect([acknowledged, log.size]).toEqual([0, 0]);
    go();
    await Promise.all(appends);
    expect(syncs).toHaveBeenCalledTimes(2);
    syncs.mockRestore();
    await log.close();
    expect(await verify()).toMatchObject({ proven: 100 });
  });

  it("rejects what the disk has no room for, and goes on when there is room, with no gap", async () => {
    const log = await openLog(folder);
    await appendAll(log, 0, 2);
    const writes = await intercept("write", () => Promise.reject(fullDisk));
    await expect(log.append(record(2))).rejects.toEqual(code("WRITE_FAILED"));
    writes.mockRestore();
    const syncs = await intercept("datasync", () => Promise.reject(fullDisk));
    await expect(log.append(record(3))).rejects.toEqual(code("WRITE_FAILED"));
    expect(log.size).toBe(2);
    syncs.mockRestore();
    await appendAll(log, 4, 1);
    await log.close();
    expect(await verify()).toMatchObject({ proven: 3 });
    const text = await readFile(await segmentOf(await originIn(folder)), "utf8");
    expect(text.match(/agent-\d+/g)).toEqual(["agent-0", "agent-1", "agent-4"]);
  });

  it("begins a new segment when one is full, each finished one with its checkpoint", async () => {
    const log = await openLog(folder, { segmentBytesMax: 4096 });
    for (let n = 0; n < 30; n++) await log.append(record(n));
    await log.close();
    const names = await readdir(await originIn(folder));
    expect(names.filter((name) => name.endsWith(".jsonl")).length).toBeGreaterThanOrEqual(4);
    expect(names.filter((name) => name.endsWith(".jsonl.checkpoint")).length).toBe(
      names.filter((name) => name.endsWith(".jsonl")).length - 1,
    );
    expect(await verify()).toMatchObject({ proven: 30, unproven: 0 });
    const again = await openLog(folder, { segmentBytesMax: 4096 });
    expect(again.opening).toMatchObject({ entries: 30, abandoned: undefined });
    await appendAll(again, 30, 30);
    await again.close();
    expect(await verify()).toMatchObject({ proven: 60 });
  });

  it("makes checkpoints by itself, publishes them, and reports and repeats those that fail", async () => {
    const registry = new MemoryOriginRegistry();
    const reports: string[] = [];
    const log = await openLog(folder, { registry, checkpointEveryMs: 10, report: (_, what) => reports.push(what) });
    expect(await registry.list()).toMatchObject([{ origin: log.origin, size: 0 }]);
    const publish = vi.spyOn(registry, "publish").mockRejectedValue(new Error("gone"));
    await log.append(record(0));
    await expect.poll(() => reports.length).toBeGreaterThan(1);
    publish.mockRestore();
    await expect.poll(async () => (await registry.list())[0]?.size).toBe(1);
    await log.close();
  });

  it("is not written by two, and is free again after a close", async () => {
    const log = await openLog(folder);
    await expect(openLog(folder)).rejects.toEqual(code("LOG_IN_USE"));
    await log.close();
    await (await openLog(folder)).close();
  });

  it("does not open when its origin cannot be listed, and refuses entries that nothing could prove", async () => {
    const registry = new MemoryOriginRegistry();
    vi.spyOn(registry, "publish").mockRejectedValue(new Error("gone"));
    await expect(openLog(folder, { registry })).rejects.toEqual(code("REGISTRY_UNAVAILABLE"));
    const brief = KavachKeyPair.generate({ clock, expiresInSeconds: 1 });
    const log = await openLog(folder, { keyPair: brief });
    clock.ms = NOW_MS + 1000;
    await expect(log.append(record(0))).rejects.toEqual(code("KEY_EXPIRED"));
    await expect(log.close()).resolves.toBeUndefined();
    await expect(openLog(folder, { keyPair: brief })).rejects.toEqual(code("KEY_EXPIRED"));
  });

  it("holds no more entries than it was told, and takes none after it was closed", async () => {
    const log = await openLog(folder, { waitingMax: 2 });
    const syncs = await intercept("datasync", () => new Promise((resolve) => setImmediate(resolve)));
    const taken = [0, 1, 2].map((n) => log.append(record(n)));
    await expect(log.append(record(3))).rejects.toEqual(code("SINK_FULL"));
    await Promise.all(taken);
    syncs.mockRestore();
    await Promise.all([log.close(), log.close()]);
    await expect(log.append(record(4))).rejects.toEqual(code("SINK_CLOSED"));
  });

  it("takes no record that could not be read again", async () => {
    const log = await openLog(folder);
    await expect(log.append({ ...record(0), caller: "x".repeat(1024 * 1024) })).rejects.toEqual(code("ENTRY_TOO_LONG"));
    await log.append({ ...record(0), caller: "x".repeat(1024 * 1024 - 1000) });
    await log.close();
    expect(await verify()).toMatchObject({ proven: 1 });
  });

  it("does not wait for ever for a list of origins that is silent", async () => {
    const registry = new MemoryOriginRegistry();
    const log = await openLog(folder, { registry });
    await log.append(record(0));
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    try {
      const publish = vi.spyOn(registry, "publish").mockReturnValue(new Promise(() => {}));
      const closing = log.close().catch((error: unknown) => error);
      await vi.waitFor(() => expect(publish).toHaveBeenCalled());
      await vi.advanceTimersByTimeAsync(5000);
      expect(await closing).toEqual(code("REGISTRY_UNAVAILABLE"));
    } finally {
      vi.useRealTimers();
    }
    expect(await verify()).toMatchObject({ proven: 1 });
    await (await openLog(folder)).close();
  });

  it("keeps checkpoints on its disk while the list of origins is silent", async () => {
    const registry = new MemoryOriginRegistry();
    const log = await openLog(folder, { registry, checkpointEveryMs: 10 });
    const answer = Promise.withResolvers<void>();
    const publish = vi.spyOn(registry, "publish").mockReturnValueOnce(answer.promise);
    for (let size = 1; size <= 3; size++) {
      await log.append(record(size));
      await expect.poll(async () => (await verify()).proven).toBe(size);
    }
    expect(publish).toHaveBeenCalledTimes(1);
    answer.resolve();
    await log.close();
    expect(await registry.list()).toMatchObject([{ size: 3 }]);
  });

  it("takes an option that is undefined for one that is absent", async () => {
    const names = [
      "registry",
      "name",
      "suite",
      "clock",
      "segmentBytesMax",
      "checkpointEveryMs",
      "waitingMax",
      "report",
    ];
    const undefinedOptions = Object.fromEntries(names.map((name) => [name, undefined]));
    const log = await AuditLog.open({ folder, keyPair, keyRing: undefined, ...undefinedOptions } as never);
    await log.append(record(1));
    await log.close();
    expect(await verify()).toMatchObject({ proven: 1 });
  });

  it.each([
    { keyPair: {} },
    { keyPair: null },
    { folder: "" },
    { folder: undefined },
    { name: "a b" },
    { segmentBytesMax: 1 },
    { checkpointEveryMs: 0 },
    { waitingMax: 0.5 },
    { dir: "" },
  ])("refuses option %o", async (option) => {
    await expect(AuditLog.open({ folder, keyPair, ...(option as object) })).rejects.toEqual(code("OPTION_INVALID"));
  });
});

describe("an AuditLog that was found otherwise than it was left", () => {
  const reopened = async (options = {}) => {
    const log = await openLog(folder, options);
    const { opening } = log;
    await log.append(record(99));
    await log.close();
    return opening;
  };

  it("cuts off a torn end, at whatever byte it was torn, and loses no whole entry", async () => {
    const log = await openLog(folder);
    await appendAll(log, 0, 3);
    await log.checkpoint();
    const path = await segmentOf(await originIn(folder));
    const notePath = join(await originIn(folder), "checkpoint");
    const [proven, note] = [await readFile(path), await readFile(notePath)];
    await log.close();
    const lines = [3, 4].map((n) => entryLine(n, recordLine(record(n)))).join("");
    for (let cut = 1; cut <= lines.length; cut += 7) {
      const left = lines.slice(0, cut);
      await writeFile(path, Buffer.concat([proven, Buffer.from(left)]));
      await writeFile(notePath, note);
      const again = await openLog(folder);
      const whole = left.split("\n").length - 1;
      const cutBytes = Buffer.byteLength(left.split("\n").at(-1) as string);
      expect(again.opening).toEqual({ entries: 3 + whole, cutBytes, abandoned: undefined });
      await again.close();
      expect(await verify()).toMatchObject({ proven: 3 + whole });
    }
  });

  it("is abandoned for a new one when it is shorter than its published checkpoint, and says so", async () => {
    const registry = new MemoryOriginRegistry();
    const log = await openLog(folder, { registry });
    await appendAll(log, 0, 3);
    const origin = await originIn(folder);
    const path = await segmentOf(origin);
    const [before, checkpoint] = [await readFile(path), await readFile(join(origin, "checkpoint"))];
    await appendAll(log, 3, 3);
    await log.close();
    // The disk was set back; only the list knows.
    await writeFile(path, before);
    await writeFile(join(origin, "checkpoint"), checkpoint);
    const opening = await reopened({ registry });
    expect(opening).toEqual({ entries: 0, cutBytes: 0, abandoned: { origin: log.origin, why: "TRUNCATED" } });
    expect((await registry.list()).map(({ size }) => size)).toEqual([6, 1]);
  });

  it.each([
    ["ALTERED", async (path: string) => writeFile(path, (await readFile(path, "utf8")).replace("agent-1", "agent-9"))],
    [
      "ENTRY_UNREADABLE",
      async (path: string) => writeFile(path, (await readFile(path, "utf8")).replace('"index":1', '"i":1')),
    ],
    ["SEGMENT_BROKEN", async (path: string) => writeFile(path, (await readFile(path, "utf8")).replace("v2", "v3"))],
    [
      "TRUNCATED",
      async (path: string) => writeFile(path, (await readFile(path, "utf8")).split("\n").slice(0, 3).join("\n")),
    ],
    ["CHECKPOINT_MALFORMED", async (path: string) => appendFile(join(path, "../checkpoint"), "x")],
  ])("is abandoned as %s", async (why, change) => {
    const log = await openLog(folder);
    await appendAll(log, 0, 5);
    await log.close();
    await change(await segmentOf(await originIn(folder)));
    expect(await reopened()).toMatchObject({ entries: 0, abandoned: { origin: log.origin, why } });
  });

  it("goes on with the segment before one whose head was torn", async () => {
    const log = await openLog(folder);
    await appendAll(log, 0, 2);
    await log.close();
    await writeFile(join(await originIn(folder), "entries-0000000000000002.jsonl"), '{"format":"kav');
    expect(await reopened()).toMatchObject({ entries: 2, abandoned: undefined });
    expect(await verify()).toMatchObject({ proven: 3 });
  });
});
