import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { KavachKeyPair } from "@kavach/crypto";
import { build } from "esbuild";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { AuditLog } from "./audit-log.ts";
import { originFoldersIn } from "./layout.ts";
import { newFolder, removeFolder } from "./log-fixture.ts";
import { verifyLog } from "./verify.ts";

const keyPair = KavachKeyPair.generate();
const trust = { bundles: [keyPair.publicKeys()], suite: "ml-dsa-65+ed25519" } as const;
const KILLS = Number(process.env.KAVACH_KILLS ?? 200);
const SEED = Number(process.env.KAVACH_SEED ?? Date.now() % 1_000_000);

/** Writes a log as fast as it can, and tells of each entry once it was acknowledged; before the log is open, of nothing but a line. */
const PROGRAM = `
  import { writeSync } from "node:fs";
  import { KavachKeyPair } from "@kavach/crypto";
  import { AuditLog } from "./index.ts";
  import { auditRecord } from "./record-fixture.ts";
  const [folder, key, from] = process.argv.slice(2);
  const keyPair = await KavachKeyPair.loadFromFile(key);
  writeSync(1, "begun\\n");
  const log = await AuditLog.open({ folder, keyPair, checkpointEveryMs: 10, segmentBytesMax: 16 * 1024 });
  let next = Number(from);
  async function write() {
    for (;;) {
      const n = next++;
      await log.append(auditRecord({ principalId: "agent-" + n }));
      // Synchronous: what was told must not wait in a buffer that dies with the process.
      writeSync(1, n + "\\n");
    }
  }
  await Promise.all(Array.from({ length: 16 }, write));`;

/** One log lives through so many kills; then the next begins, so that verifying it stays quick. */
const KILLS_OF_A_LOG = 20;

let parent: string;
let key: string;
let program: string;
beforeAll(async () => {
  parent = await newFolder();
  key = join(parent, "key");
  program = join(parent, "writer.mjs");
  await keyPair.saveToFile(key);
  // As one file it starts in a fifth of the time. Packages of the older kind ask for `require`.
  const banner = { js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);' };
  const stdin = { contents: PROGRAM, resolveDir: join(import.meta.dirname, ".."), loader: "ts" } as const;
  await build({ stdin, outfile: program, bundle: true, platform: "node", format: "esm", banner, logLevel: "error" });
});
afterAll(() => removeFolder(parent));

/** When a child is killed: some milliseconds after it has told of so many entries; with none, that is while it opens the log. */
interface Blow {
  readonly entries: number;
  readonly afterMs: number;
}

/** Every third strikes at the opening, the others anywhere up to the four hundredth entry. Park and Miller's numbers, so that a seed replays them. */
function blows(count: number): readonly Blow[] {
  let state = (SEED % 2_147_483_646) + 1;
  const below = (limit: number) => {
    state = (state * 48_271) % 2_147_483_647;
    return state % limit;
  };
  return Array.from({ length: count }, (_, round) =>
    round % 3 === 0
      ? { entries: 0, afterMs: below(1000) / 40 }
      : { entries: 1 + below(400), afterMs: below(1000) / 500 },
  );
}

/** Starts the child, kills it with SIGKILL, and returns all the entries it told of. */
function runUntilKilled(folder: string, from: number, { entries, afterMs }: Blow): Promise<number[]> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ["--no-warnings", program, folder, key, String(from)]);
    let told = "";
    let errors = "";
    let struck = false;
    child.stderr.on("data", (chunk) => {
      errors += chunk;
    });
    child.stdout.on("data", (chunk) => {
      told += chunk;
      if (struck || told.split("\n").length <= entries + 1) return;
      struck = true;
      setTimeout(() => child.kill("SIGKILL"), afterMs);
    });
    child.on("close", (_, signal) => {
      if (signal !== "SIGKILL") reject(new Error(`the child ended by itself: ${errors}`));
      else resolve(told.split("\n").slice(1, -1).map(Number));
    });
  });
}

async function entriesIn(origin: string): Promise<number[]> {
  const names = (await readdir(origin)).filter((name) => name.endsWith(".jsonl"));
  const texts = await Promise.all(names.map((name) => readFile(join(origin, name), "utf8")));
  return texts.flatMap((text) => [...text.matchAll(/"principal_id":"agent-(\d+)"/g)].map((m) => Number(m[1])));
}

/** What the disk holds after a kill, before anybody puts it in order: every log verifies, and the newest checkpoints are kept elsewhere. */
async function verifyAsLeft(folder: string, kept: Map<string, Uint8Array>): Promise<void> {
  // The first kill may come before there is a folder.
  if (kept.size === 0 && !existsSync(folder)) return;
  for (const origin of await originFoldersIn(folder)) {
    const trusted = kept.get(origin);
    await verifyLog({ ...trust, folder: origin, ...(trusted !== undefined && { trusted }) });
    kept.set(origin, await readFile(join(origin, "checkpoint")));
  }
}

describe(`an audit log whose process was killed ${KILLS} times (again: KAVACH_KILLS=${KILLS} KAVACH_SEED=${SEED})`, () => {
  it("has lost no entry that was acknowledged, and verifies after every kill", { timeout: 600_000 }, async () => {
    let total = 0;
    const all = blows(KILLS);
    for (let round = 0; round < KILLS; round += KILLS_OF_A_LOG) {
      total += await killOneLog(join(parent, `log-${round}`), all.slice(round, round + KILLS_OF_A_LOG));
    }
    expect(total).toBeGreaterThan(KILLS * 20);
  });
});

/** How many entries were acknowledged. */
async function killOneLog(folder: string, all: readonly Blow[]): Promise<number> {
  const acknowledged: number[] = [];
  const kept = new Map<string, Uint8Array>();
  for (const [round, blow] of all.entries()) {
    acknowledged.push(...(await runUntilKilled(folder, round * 1_000_000, blow)));
    await verifyAsLeft(folder, kept);
    const log = await AuditLog.open({ folder, keyPair, checkpointEveryMs: 60_000 });
    expect(log.opening.abandoned, `kill ${round} of ${folder}`).toBeUndefined();
    await log.close();
  }
  await verifyAsLeft(folder, kept);
  const entries = (await Promise.all((await originFoldersIn(folder)).map(entriesIn))).flat();
  const there = new Set(entries);
  expect(acknowledged.filter((n) => !there.has(n))).toEqual([]);
  expect(there.size).toBe(entries.length);
  return acknowledged.length;
}
