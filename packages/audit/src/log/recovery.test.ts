/** What a log is found to be at a start. Whatever is continued gets a new signature: nothing is, that no key has signed before. */
import { cp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { KavachKeyPair, KeyRing, leafHash, MerkleFrontier } from "@kavach/crypto";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { recordLine } from "../record.ts";
import { AuditLog } from "./audit-log.ts";
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
import { MemoryOriginRegistry } from "./registry.ts";
import { verifyLog, verifyOrigins } from "./verify.ts";

let folder: string;
let registry: MemoryOriginRegistry;
beforeEach(async () => {
  folder = await newFolder();
  registry = new MemoryOriginRegistry();
  clock.ms = NOW_MS;
});
afterEach(() => removeFolder(folder));

/** Opens what is there as a start does, and lets go of it. */
async function started(options: Parameters<typeof openLog>[1] = { registry }) {
  const log = await openLog(folder, options);
  await log.close();
  return { origin: log.origin, ...log.opening };
}

describe("a log that somebody without the key has written anew", () => {
  /** Eight entries that nobody signed, hashes and heads right, in one segment or with a second, empty one behind them. */
  async function forge(origin: string, name: string, { segments = 1 } = {}): Promise<void> {
    for (const file of await readdir(origin)) if (file !== "checkpoint") await rm(join(origin, file));
    const lines = Array.from({ length: 8 }, (_, i) => `{"index":${i},${recordLine(record(100 + i)).slice(1)}`);
    const frontier = new MerkleFrontier();
    const head = headLine({ origin: name, first: 0, frontier });
    await writeFile(join(origin, "entries-0000000000000000.jsonl"), head + lines.map((line) => `${line}\n`).join(""));
    for (const line of lines) frontier.append(leafHash(Buffer.from(line)));
    if (segments === 1) return;
    await writeFile(join(origin, "entries-0000000000000008.jsonl"), headLine({ origin: name, first: 8, frontier }));
  }

  it.each([
    ["beside its checkpoint", "ALTERED", {}, async () => {}],
    [
      "beside its checkpoint, which the last segment has left behind",
      "SEGMENT_BROKEN",
      { segments: 2 },
      async () => {},
    ],
    ["without a checkpoint", "ALTERED", {}, (at: string) => rm(at)],
    ["without a checkpoint and with more segments", "SEGMENT_BROKEN", { segments: 2 }, (at: string) => rm(at)],
    [
      "with a checkpoint of its own",
      "CHECKPOINT_UNTRUSTED",
      { segments: 2 },
      async (at: string) => {
        const text = await readFile(at, "utf8");
        await writeFile(at, text.replace("\n5\n", "\n8\n"));
      },
    ],
  ] as const)("is not continued, and so not signed: %s", async (_, why, how, change) => {
    const log = await openLog(folder, { registry });
    await appendAll(log, 0, 5);
    await log.close();
    const origin = await originIn(folder);
    await forge(origin, log.origin, how);
    await change(join(origin, "checkpoint"));
    const again = await started();
    expect(again).toMatchObject({ entries: 0, abandoned: { origin: log.origin, why } });
    const results = await verifyOrigins({ ...trust, folders: [folder], published: await registry.list() });
    expect(results).toMatchObject([
      { kind: "failed", origin: log.origin },
      { kind: "verified", log: { origin: again.origin } },
    ]);
  });

  it("is not continued where no list is kept either, whether its checkpoint is there or not", async () => {
    for (const segments of [1, 2]) {
      const log = await openLog(folder);
      await appendAll(log, 0, 5);
      await log.close();
      const origin = join(folder, log.origin.split("/").at(-1) as string);
      await forge(origin, log.origin, { segments });
      if (segments === 1) await rm(join(origin, "checkpoint"));
      expect(await started({})).toMatchObject({ entries: 0, abandoned: { origin: log.origin } });
    }
  });
});

describe("a log that is gone", () => {
  it("is named at the start of the next one, by the list of the replicas of this name", async () => {
    const other = await newFolder();
    await (await AuditLog.open({ folder: other, keyPair, clock, registry, name: "kavach/node-11" })).close();
    const options = { registry, name: "kavach/node-1" };
    expect((await started(options)).abandoned).toBeUndefined();
    for (let n = 0; n < 2; n++) {
      clock.ms += 1000;
      const log = await openLog(folder, options);
      await appendAll(log, 0, 3);
      await log.close();
      await rm(folder, { recursive: true });
      clock.ms += 1000;
      const again = await started(options);
      expect(again).toMatchObject({ entries: 0, abandoned: { origin: log.origin, why: "LOG_MISSING" } });
      expect(again.origin).not.toBe(log.origin);
      expect((await started(options)).abandoned).toBeUndefined();
    }
    await removeFolder(other);
  });

  it("is named where it still lies in the folder, which has forgotten it, and there is no list", async () => {
    const log = await openLog(folder);
    await appendAll(log, 0, 1);
    await log.close();
    await rm(join(folder, "current"));
    expect(await started({})).toMatchObject({ entries: 0, abandoned: { origin: log.origin, why: "CURRENT_MISSING" } });
  });

  it("is not missed where nobody has written to it yet, as when a first start was killed", async () => {
    await started({});
    await rm(join(folder, "current"));
    expect(await started({})).toMatchObject({ entries: 0, abandoned: undefined });
  });
});

describe("a log that nobody touched", () => {
  it("goes on from a segment that its newest checkpoint does not reach, by the one beside the segment before", async () => {
    const log = await openLog(folder, { segmentBytesMax: 4096 });
    await appendAll(log, 0, 3);
    await log.checkpoint();
    const origin = await originIn(folder);
    for (let n = 3; n < 12; n++) await log.append(record(n));
    // As a kill leaves it: no checkpoint after that.
    const copy = join(folder, "../", `${folder.split("/").at(-1)}-copy`);
    await cp(folder, copy, { recursive: true });
    await log.close();
    try {
      const again = await openLog(copy, { segmentBytesMax: 4096 });
      expect(again.opening).toEqual({ entries: 12, cutBytes: 0, abandoned: undefined });
      await again.close();
      expect((await readdir(origin)).filter((name) => name.endsWith(".jsonl")).length).toBeGreaterThan(1);
    } finally {
      await removeFolder(copy);
    }
  });

  it("goes on when its finished segments were moved away", async () => {
    const log = await openLog(folder, { segmentBytesMax: 4096 });
    for (let n = 0; n < 12; n++) await log.append(record(n));
    await log.close();
    const origin = await originIn(folder);
    const names = (await readdir(origin)).filter((name) => name.startsWith("entries-")).sort();
    const moved = names.slice(0, -1);
    for (const name of moved) await rename(join(origin, name), join(folder, name));
    expect(await started({})).toMatchObject({ entries: 12, abandoned: undefined });
    for (const name of moved) await rename(join(folder, name), join(origin, name));
    expect(await verifyLog({ ...trust, folder: origin })).toMatchObject({ proven: 12, unproven: 0 });
  });

  it("goes on with a key that took the place of its own while it was written, also when nothing was written since", async () => {
    const next = KavachKeyPair.generate({ clock });
    const keyRing = new KeyRing({ active: keyPair, clock });
    const log = await AuditLog.open({ folder, keyRing, clock, registry, checkpointEveryMs: 10 });
    await appendAll(log, 0, 3);
    await expect.poll(async () => (await registry.list())[0]?.size).toBe(3);
    keyRing.rotate(next);
    const nextAlone = { suite: trust.suite, bundles: [next.publicKeys()], folder: await originIn(folder) };
    await expect.poll(() => verifyLog(nextAlone).catch(String)).toMatchObject({ proven: 3 });
    await log.close();
    expect(await started({ registry, keyPair: next })).toMatchObject({ entries: 3, abandoned: undefined });
  });

  it("is left to the key that signed it: another one begins a log of its own, and says so", async () => {
    const log = await openLog(folder);
    await appendAll(log, 0, 3);
    await log.close();
    const next = KavachKeyPair.generate({ clock });
    const abandoned = { origin: log.origin, why: "CHECKPOINT_UNTRUSTED" };
    expect(await started({ keyPair: next })).toMatchObject({ entries: 0, abandoned });
    const left = join(folder, log.origin.split("/").at(-1) as string);
    expect(await verifyLog({ ...trust, folder: left })).toMatchObject({ proven: 3 });
  });
});
