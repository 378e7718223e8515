/** Audit logs in the hands of somebody who has the disks of the nodes, computes every hash anew, and holds no key. */
import { appendFile, cp, mkdtemp, readdir, readFile, rename, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  AuditLog,
  type AuditLogErrorCode,
  type AuditRecord,
  MemoryOriginRegistry,
  originFolder,
  verifyLog,
  verifyOrigins,
} from "@kavach/audit";
import { HYBRID_SUITE, KavachKeyPair } from "@kavach/crypto";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

const keyPair = KavachKeyPair.generate();
const trust = { bundles: [keyPair.publicKeys()], suite: HYBRID_SUITE } as const;
const record = (n: number): AuditRecord => ({
  ...{ evaluationId: "0194f2c0-0000-7000-8000-000000000001", realm: "default", principalId: `agent-${n}` },
  ...{ action: "issue_refund", resource: "orders/1", sessionId: "", paramsDigest: "00".repeat(32) },
  ...{ policyName: "refunds", policyDigest: "11".repeat(32), returned: "permit", atMs: 1_800_000_000_000 },
  found: { kind: "permit" },
  revision: { generation: 1, number: 0 },
});

let root: string;
let registry: MemoryOriginRegistry;
/** Logs of two nodes, each of twelve entries; what the disks held after six is kept beside. */
let nodes: readonly { readonly dir: string; readonly origin: string; readonly folder: string }[];
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "kavach-attack-"));
  registry = new MemoryOriginRegistry();
  nodes = await Promise.all(["a", "b"].map(makeNode));
});
afterEach(() => rm(root, { recursive: true }));

async function makeNode(name: string) {
  const dir = join(root, name);
  const log = await AuditLog.open({ folder: dir, keyPair, registry, name: `kavach/${name}`, segmentBytesMax: 4096 });
  const folder = originFolder(dir, log.origin);
  for (let n = 0; n < 6; n++) await log.append(record(n));
  await log.checkpoint();
  await cp(folder, join(root, `${name}-after-six`), { recursive: true });
  for (let n = 6; n < 12; n++) await log.append(record(n));
  await log.close();
  return { dir, origin: log.origin, folder };
}
const node = (i: number) => nodes[i] as (typeof nodes)[number];
const entriesOf = async (folder: string) =>
  (await readdir(folder)).filter((name) => name.endsWith(".jsonl")).sort((x, y) => x.localeCompare(y));
const lastOf = async (folder: string) => join(folder, (await entriesOf(folder)).at(-1) as string);

/** What verification says of each node's log: `ok`, or why not. It starts from the list, which is out of the attacker's reach. */
async function verdicts(folders = nodes.map(({ dir }) => dir)): Promise<Record<string, string>> {
  const results = await verifyOrigins({ ...trust, folders, published: await registry.list() });
  const named = results.map((result) => {
    const origin = result.kind === "verified" ? result.log.origin : result.origin;
    return [origin.split("/")[1], result.kind === "verified" ? "ok" : result.error.code];
  });
  return Object.fromEntries(named);
}
const alone = (folder: string) => verifyLog({ ...trust, folder });
const fails = (code: AuditLogErrorCode) => expect.objectContaining({ name: "AuditLogError", code });

describe("whole logs", () => {
  it("verify when nobody touched them (the attacks below can fail)", async () => {
    expect(await verdicts()).toEqual({ a: "ok", b: "ok" });
    expect((await entriesOf(node(0).folder)).length).toBeGreaterThan(1);
    expect((await registry.list()).map(({ size }) => size)).toEqual([12, 12]);
  });

  it.each<[string, AuditLogErrorCode, () => Promise<unknown>]>([
    ["a log is removed", "LOG_MISSING", () => rm(node(0).folder, { recursive: true })],
    ["a log's folder has another name", "LOG_MISSING", () => rename(node(0).folder, join(node(0).dir, "renamed"))],
    [
      "nothing but its checkpoints are left",
      "LOG_MISSING",
      async () => {
        for (const name of await entriesOf(node(0).folder)) await rm(join(node(0).folder, name));
      },
    ],
    [
      "the disk is set back to where it was, with the checkpoint of that time",
      "TRUNCATED",
      async () => {
        await rm(node(0).folder, { recursive: true });
        await cp(join(root, "a-after-six"), node(0).folder, { recursive: true });
      },
    ],
    [
      "another node's log lies in its place",
      "ORIGIN_MISMATCH",
      async () => {
        await rm(node(0).folder, { recursive: true });
        await cp(node(1).folder, node(0).folder, { recursive: true });
      },
    ],
    [
      "its checkpoint is another node's",
      "ORIGIN_MISMATCH",
      () => cp(join(node(1).folder, "checkpoint"), join(node(0).folder, "checkpoint")),
    ],
    [
      "a file of another node's log lies among its own",
      "ORIGIN_MISMATCH",
      async () => {
        const [name] = (await entriesOf(node(1).folder)) as [string];
        await cp(join(node(1).folder, name), join(node(0).folder, name));
      },
    ],
    [
      "it is emptied to its first line",
      "TRUNCATED",
      async () => {
        const { folder } = node(0);
        const [first, ...others] = (await entriesOf(folder)) as [string, ...string[]];
        for (const name of others) await rm(join(folder, name));
        const text = await readFile(join(folder, first), "utf8");
        await truncate(join(folder, first), text.indexOf("\n") + 1);
      },
    ],
    [
      "it is cut to its first byte",
      "TRUNCATED",
      async () => {
        const { folder } = node(0);
        const [first, ...others] = (await entriesOf(folder)) as [string, ...string[]];
        for (const name of others) await rm(join(folder, name));
        await truncate(join(folder, first), 1);
      },
    ],
    [
      "it is cut where one of its checkpoints is",
      "TRUNCATED",
      async () => {
        const { folder } = node(0);
        await rm(await lastOf(folder));
        await rm(join(folder, "checkpoint"));
      },
    ],
    ["its last file is cut within an entry", "TRUNCATED", async () => truncate(await lastOf(node(0).folder), 700)],
    [
      "a file before the last one is missing",
      "ENTRY_MISSING",
      async () => rm(join(node(0).folder, (await entriesOf(node(0).folder))[0] as string)),
    ],
    [
      "two of its files have each other's name",
      "SEGMENT_BROKEN",
      async () => {
        const { folder } = node(0);
        const [one, two] = (await entriesOf(folder)) as [string, string];
        await rename(join(folder, one), join(folder, "aside"));
        await rename(join(folder, two), join(folder, one));
        await rename(join(folder, "aside"), join(folder, two));
      },
    ],
    [
      "it has a line of garbage at its end",
      "ENTRY_UNREADABLE",
      async () => appendFile(await lastOf(node(0).folder), "garbage\n"),
    ],
    [
      "a file that is no log's, but is named so, stands behind",
      "SEGMENT_BROKEN",
      () => writeFile(join(node(0).folder, "entries-0000000000000012.jsonl"), "{}\n"),
    ],
    ["its checkpoint is garbage", "CHECKPOINT_MALFORMED", () => writeFile(join(node(0).folder, "checkpoint"), "x")],
  ])("%s: %s, and the other log still verifies", async (_, code, attack) => {
    await attack();
    expect(await verdicts()).toEqual({ a: code, b: "ok" });
  });

  it("that were set back whole pass without the list: what only the list can tell is told by it alone", async () => {
    const before = join(root, "a-after-six");
    expect(await alone(before)).toMatchObject({ proven: 6, unproven: 0 });
    const older = new Uint8Array(await readFile(join(before, "checkpoint")));
    // An older checkpoint is true for ever; it proves less, and is no way around a newer one.
    expect(await verifyLog({ ...trust, folder: node(0).folder, trusted: older })).toMatchObject({ proven: 12 });
    await cp(join(before, "checkpoint"), join(node(0).folder, "checkpoint"));
    expect(await verdicts()).toEqual({ a: "ok", b: "ok" });
    const [published] = (await registry.list()).filter(({ origin }) => origin === node(0).origin);
    await expect(
      verifyLog({ ...trust, folder: before, trusted: [older, published?.note as Uint8Array] }),
    ).rejects.toEqual(fails("TRUNCATED"));
  });

  it("go on after a crash tore the end, and what lies behind the last checkpoint is unproven", async () => {
    const last = await lastOf(node(0).folder);
    const line = (await readFile(last, "utf8")).trimEnd().split("\n").at(-1) as string;
    const next = line.replace('"index":11', '"index":12');
    for (const [torn, unproven] of [
      [next.slice(0, 40), 0],
      [next, 0],
      [`${next}\n`, 1],
      [`${next}\n${"\0".repeat(4096)}`, 1],
    ] as const) {
      const size = (await readFile(last)).length;
      await appendFile(last, torn);
      expect(await alone(node(0).folder), torn.slice(0, 20)).toMatchObject({ proven: 12, unproven });
      await truncate(last, size);
    }
    // So does one whose next file was torn at its first line, or is empty yet.
    for (const head of ["", '{"format":"kav']) {
      await writeFile(join(node(0).folder, "entries-0000000000000012.jsonl"), head);
      expect(await verdicts()).toEqual({ a: "ok", b: "ok" });
    }
  });
});

describe("one log, continued in two ways by the real key", () => {
  it("is found out by any two of: the list, this disk, that disk", async () => {
    const { dir, folder, origin } = node(0);
    const twin = join(root, "twin");
    await cp(dir, twin, { recursive: true });
    // A machine was copied while it ran, and both go on.
    for (const [parent, from] of [
      [dir, 100],
      [twin, 200],
    ] as const) {
      const log = await AuditLog.open({ folder: parent, keyPair, registry: new MemoryOriginRegistry() });
      expect(log.origin).toBe(origin);
      for (let n = 0; n < 5; n++) await log.append(record(from + n));
      await log.close();
    }
    const mine = new Uint8Array(await readFile(join(folder, "checkpoint")));
    const theirs = new Uint8Array(await readFile(join(originFolder(twin, origin), "checkpoint")));
    expect(await alone(folder)).toMatchObject({ proven: 17 });
    expect(await alone(originFolder(twin, origin))).toMatchObject({ proven: 17 });
    await expect(verifyLog({ ...trust, folder, trusted: theirs })).rejects.toEqual(fails("FORKED"));
    await expect(verifyLog({ ...trust, folder: originFolder(twin, origin), trusted: mine })).rejects.toEqual(
      fails("FORKED"),
    );
    const published = [mine, theirs].map((note) => ({ origin, size: 17, note }));
    expect(await verifyOrigins({ ...trust, folders: [dir], published })).toMatchObject([
      { kind: "failed", error: { code: "FORKED", index: 17 } },
    ]);
  });
});

describe("a node that finds its log otherwise than the list says", () => {
  it.each<[string, string, () => Promise<unknown>]>([
    ["it went back", "TRUNCATED", () => cp(join(root, "a-after-six"), node(0).folder, { recursive: true })],
    ["it is gone", "TRUNCATED", () => Promise.resolve()],
    ["its checkpoint is another's", "ORIGIN_MISMATCH", () => cp(node(1).folder, node(0).folder, { recursive: true })],
  ])("begins another origin, and says so: %s", async (_, why, put) => {
    const { dir, origin, folder } = node(0);
    await rm(folder, { recursive: true });
    await put();
    const log = await AuditLog.open({ folder: dir, keyPair, registry, name: "kavach/a" });
    expect(log.opening).toMatchObject({ entries: 0, abandoned: { origin, why } });
    expect(log.origin).not.toBe(origin);
    await log.append(record(0));
    await log.close();
    const results = await verifyOrigins({ ...trust, folders: [dir], published: await registry.list() });
    expect(results.filter(({ kind }) => kind === "verified")).toMatchObject([
      { log: { origin: log.origin, proven: 1 } },
    ]);
    expect(results.some((result) => result.kind === "failed" && result.origin === origin)).toBe(true);
  });

  it("looks for no log outside its folder, whatever a name says", async () => {
    const published = ["kavach/..", "kavach/", "..", "kavach/."].map((origin) => ({
      origin,
      size: 0,
      note: new Uint8Array(),
    }));
    const results = await verifyOrigins({ ...trust, folders: [node(0).folder], published });
    expect(results.map((result) => result.kind === "failed" && result.error.code)).toEqual(
      published.map(() => "LOG_MISSING"),
    );
    await writeFile(join(node(0).dir, "current"), "kavach/..\n");
    const log = await AuditLog.open({ folder: node(0).dir, keyPair });
    expect(log.opening.abandoned).toEqual({ origin: "kavach/..", why: "SEGMENT_BROKEN" });
    await log.close();
  });
});
