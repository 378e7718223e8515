/** Audit logs from the command line: whole ones, altered ones, and ones that are gone. */
import { cp, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AuditLog, MemoryOriginRegistry } from "@kavach/audit";
import { bundleToBytes, KavachKeyPair } from "@kavach/crypto";
import { RedisOriginRegistry } from "@kavach/store-redis";
import { startRedis } from "@kavach/testkit";
import { afterAll, beforeAll, expect, it } from "vitest";
import { auditCommand } from "./audit.ts";

const keyPair = KavachKeyPair.generate();
let folder: string;
let dir: string;
let checkpoint: string;
let origin: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "kavach-audit-cli-"));
  dir = join(folder, "node-1");
  const registry = new MemoryOriginRegistry();
  const log = await AuditLog.open({ folder: dir, keyPair, registry, name: "kavach/node-1" });
  origin = log.origin;
  for (let n = 0; n < 5; n++) {
    await log.append({
      ...{ evaluationId: "0194f2c0-0000-7000-8000-000000000001", realm: "default", principalId: `agent-${n}` },
      ...{ action: "issue_refund", resource: "", sessionId: "", paramsDigest: "00".repeat(32), policyName: "" },
      ...{ found: { kind: "permit" }, returned: "permit", policyDigest: "11".repeat(32), atMs: 1_800_000_000_000 },
      revision: { generation: 1, number: 0 },
    });
  }
  await log.close();
  await writeFile(join(folder, "audit.pub"), bundleToBytes(keyPair.publicKeys()));
  await writeFile(join(folder, "stranger.pub"), bundleToBytes(KavachKeyPair.generate().publicKeys()));
  checkpoint = join(folder, "published");
  await writeFile(checkpoint, (await registry.list())[0]?.note ?? "");
});
afterAll(() => rm(folder, { recursive: true }));

const lines: string[] = [];
const shown: string[] = [];
async function verify(...args: string[]): Promise<string> {
  lines.length = 0;
  const world = { print: (line: string) => lines.push(line), progress: (line: string) => shown.push(line) };
  const [key, ...rest] = args[0]?.endsWith(".pub") === true ? args : ["audit.pub", ...args];
  const command = auditCommand(world).exitOverride();
  await command.parseAsync(["verify", "--key", join(folder, key as string), "--dir", ...rest], { from: "user" });
  return lines.join("\n");
}

it("finds a whole log whole, says what nobody else vouches for, and shows how far it is", async () => {
  expect(await verify(dir)).toMatch(
    /^ok {6}kavach\/node-1\/.*: 5 entries proven by 1 checkpoints.*\nHeld to checkpoints of the same disk/,
  );
  expect(await verify(dir, "--checkpoint", checkpoint)).toMatch(/^ok .*$/);
  expect(shown).toContainEqual(expect.stringMatching(/: 100 % of 1 MiB, 5 entries$/));
});

it("says what is wrong with a log, by name, and fails", async () => {
  const altered = join(folder, "altered");
  await cp(dir, altered, { recursive: true });
  const segment = join(altered, origin.split("/").at(-1) as string, "entries-0000000000000000.jsonl");
  await writeFile(segment, (await readFile(segment, "utf8")).replace("agent-3", "agent-4"));
  await expect(verify(altered)).rejects.toThrow("1 of 1 logs did not verify");
  expect(lines).toEqual([expect.stringMatching(/^FAILED {2}.*: ALTERED: /)]);
  await expect(verify("stranger.pub", dir)).rejects.toThrow("did not verify");
  expect(lines[0]).toContain("CHECKPOINT_UNTRUSTED");
});

it("misses a log that a checkpoint names and no folder holds", async () => {
  const gone = join(folder, "gone");
  await cp(dir, gone, { recursive: true });
  await rename(join(gone, origin.split("/").at(-1) as string), join(folder, "aside"));
  await expect(verify(gone, "--checkpoint", checkpoint)).rejects.toThrow("1 of 1 logs did not verify");
  expect(lines[0]).toContain(`${origin}: LOG_MISSING`);
  await expect(verify(gone)).rejects.toThrow("no audit log in");
});

it("takes the list of logs that a cluster keeps on Redis", async () => {
  const server = await startRedis();
  try {
    const registry = await RedisOriginRegistry.fromUrl(server.url);
    const listed = join(folder, "listed");
    const log = await AuditLog.open({ folder: listed, keyPair, registry });
    await log.close();
    await registry.close();
    expect(await verify(listed, "--store", server.url)).toMatch(/^ok .*: 0 entries proven by 2 checkpoints.*$/);
    await rename(join(listed, log.origin.split("/").at(-1) as string), join(folder, "aside-2"));
    await expect(verify(listed, "--store", server.url)).rejects.toThrow("1 of 1 logs did not verify");
    expect(lines[0]).toContain("LOG_MISSING");
  } finally {
    await server.stop();
  }
});

it("refuses files that are not what they should be, and folders that are not there", async () => {
  await writeFile(join(folder, "other.pub"), "no key");
  await expect(verify("other.pub", dir)).rejects.toThrow("holds no public keys");
  await expect(verify(dir, "--checkpoint", join(folder, "audit.pub"))).rejects.toThrow("is no checkpoint");
  await expect(verify(join(folder, "none"))).rejects.toMatchObject({ code: "ENOENT" });
});
