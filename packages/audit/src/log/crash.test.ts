import { spawn } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { KavachKeyPair } from "@kavach/crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { AuditLog } from "./audit-log.ts";
import { newFolder, originIn, removeFolder } from "./log-fixture.ts";
import { verifyLog } from "./verify.ts";

const keyPair = KavachKeyPair.generate();
const trust = { bundles: [keyPair.publicKeys()], suite: "ml-dsa-65+ed25519" } as const;
const KILLS = Number(process.env.KAVACH_KILLS ?? 24);
/** Every kill strikes after another number of entries, from the first ones on. */
const afterEntries = (round: number) => (round * 37) % 400;

/** Writes a log as fast as it can, and tells of each entry once it was acknowledged. */
const ROOM = join(import.meta.dirname, "..");
const PROGRAM = `
  import { writeSync } from "node:fs";
  import { KavachKeyPair } from ${JSON.stringify(join(ROOM, "../../crypto/src/index.ts"))};
  import { AuditLog } from ${JSON.stringify(join(ROOM, "index.ts"))};
  import { auditRecord } from ${JSON.stringify(join(ROOM, "record-fixture.ts"))};
  const [folder, key, from] = process.argv.slice(1);
  const keyPair = await KavachKeyPair.loadFromFile(key);
  const log = await AuditLog.open({ folder, keyPair, checkpointEveryMs: 10, segmentBytesMax: 64 * 1024 });
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

let parent: string;
let folder: string;
let key: string;
beforeAll(async () => {
  parent = await newFolder();
  folder = join(parent, "log");
  key = join(parent, "key");
  await keyPair.saveToFile(key);
});
afterAll(() => removeFolder(parent));

/** Starts the child, kills it with SIGKILL once it has told of `count` entries, and returns all it told. */
function runUntilKilled(from: number, count: number): Promise<number[]> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [
      ...["--no-warnings", "--input-type=module", "-e", PROGRAM],
      folder,
      key,
      String(from),
    ]);
    let told = "";
    let errors = "";
    child.stderr.on("data", (chunk) => {
      errors += chunk;
    });
    child.stdout.on("data", (chunk) => {
      told += chunk;
      if (told.split("\n").length > count) child.kill("SIGKILL");
    });
    child.on("close", (_, signal) => {
      if (signal !== "SIGKILL") reject(new Error(`the child ended by itself: ${errors}`));
      else resolve(told.split("\n").slice(0, -1).map(Number));
    });
  });
}

async function entriesIn(origin: string): Promise<Set<number>> {
  const names = (await readdir(origin)).filter((name) => name.endsWith(".jsonl"));
  const texts = await Promise.all(names.map((name) => readFile(join(origin, name), "utf8")));
  return new Set(texts.flatMap((text) => [...text.matchAll(/"principal_id":"agent-(\d+)"/g)].map((m) => Number(m[1]))));
}

describe(`an audit log whose process was killed ${KILLS} times`, () => {
  it("has lost no entry that was acknowledged, and verifies after every kill", { timeout: 300_000 }, async () => {
    const acknowledged: number[] = [];
    for (let round = 0; round < KILLS; round++) {
      acknowledged.push(...(await runUntilKilled(round * 1_000_000, afterEntries(round))));
      const log = await AuditLog.open({ folder, keyPair, checkpointEveryMs: 60_000 });
      expect(log.opening.abandoned, `kill ${round}`).toBeUndefined();
      await log.close();
      const origin = await originIn(folder);
      const verified = await verifyLog({ ...trust, folder: origin });
      const there = await entriesIn(origin);
      expect(verified, `kill ${round}`).toMatchObject({ proven: there.size, unproven: 0 });
      expect(
        acknowledged.filter((n) => !there.has(n)),
        `kill ${round}`,
      ).toEqual([]);
    }
    expect(acknowledged.length).toBeGreaterThan(KILLS * 50);
  });
});
