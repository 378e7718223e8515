import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, it } from "vitest";
import { newFolder, removeFolder } from "./log-fixture.ts";

/** Five million are 2.7 GB on the disk, and a minute. */
const ENTRIES = Number(process.env.KAVACH_AUDIT_ENTRIES ?? (process.env.CI === undefined ? 500_000 : 5_000_000));

let folder: string;
beforeAll(async () => {
  folder = await newFolder();
});
afterAll(() => removeFolder(folder));

// In a process of its own, so that nobody else's memory is measured.
const program = (room: string) => `
  import { KavachKeyPair } from ${JSON.stringify(join(room, "../../crypto/src/index.ts"))};
  import { AuditLog, verifyLog } from ${JSON.stringify(join(room, "index.ts"))};
  import { auditRecord } from ${JSON.stringify(join(room, "record-fixture.ts"))};
  import { readdirSync, readFileSync } from "node:fs";
  const [folder, entries] = [process.argv[1], Number(process.argv[2])];
  const keyPair = KavachKeyPair.generate();
  const log = await AuditLog.open({ folder, keyPair });
  const record = auditRecord();
  // Buffers are freed one turn after their last owner.
  const used = async () => {
    for (let i = 0; i < 3; i++) { gc(); await new Promise(setImmediate); }
    const { heapUsed, external } = process.memoryUsage();
    return heapUsed + external;
  };
  const write = async (count) => {
    for (let done = 0; done < count; done += 500) {
      await Promise.all(Array.from({ length: Math.min(500, count - done) }, () => log.append(record)));
    }
  };
  await write(Math.ceil(entries / 10));
  const before = await used();
  await write(entries - Math.ceil(entries / 10));
  const written = await used();
  await log.close();
  const origin = folder + "/" + log.origin.split("/").at(-1);
  let peak = 0;
  const onProgress = () => { const { heapUsed, external } = (gc(), process.memoryUsage()); peak = Math.max(peak, heapUsed + external); };
  const verified = await verifyLog({ folder: origin, bundles: [keyPair.publicKeys()], suite: "ml-dsa-65+ed25519", onProgress });
  console.log(JSON.stringify({ proven: verified.proven, grownWriting: written - before, grownVerifying: peak - before }));`;

it(`memory stays flat while ${ENTRIES} entries are written and verified`, { timeout: 600_000 }, async () => {
  const args = ["--no-warnings", "--expose-gc", "--input-type=module", "-e", program(join(import.meta.dirname, ".."))];
  const { stdout } = await promisify(execFile)(process.execPath, [...args, folder, String(ENTRIES)]);
  const { proven, grownWriting, grownVerifying } = JSON.parse(stdout);
  expect(proven).toBe(ENTRIES);
  // Half a million entries are some 270 MB of text; what is freed a moment later is counted too.
  expect(grownWriting).toBeLessThan(5_000_000);
  expect(grownVerifying).toBeLessThan(25_000_000);
});
