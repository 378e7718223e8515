/** Audit logs from the command line: whole ones, altered ones, and ones that are gone. */
import { execFile, spawn } from "node:child_process";
import { cp, mkdir, mkdtemp, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { AuditLog, type AuditRecord, MemoryOriginRegistry } from "@kavach/audit";
import { bundleToBytes, KavachKeyPair } from "@kavach/crypto";
import { RedisOriginRegistry } from "@kavach/store-redis";
import { startRedis } from "@kavach/testkit";
import { afterAll, beforeAll, expect, it } from "vitest";
import { auditCommand } from "./audit.ts";

const keyPair = KavachKeyPair.generate();
const RECORD: AuditRecord = {
  ...{ evaluationId: "0194f2c0-0000-7000-8000-000000000001", realm: "default", principalId: "agent" },
  ...{ action: "issue_refund", resource: "", sessionId: "", paramsDigest: "00".repeat(32), policyName: "" },
  ...{ returned: "permit", policyDigest: "11".repeat(32), atMs: 1_800_000_000_000 },
  found: { kind: "permit" },
  revision: { generation: 1, number: 0 },
};
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
    await log.append({ ...RECORD, principalId: `agent-${n}` });
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

it("holds every copy of a log to the newest checkpoint, listed or not, and a log to its folder's name", async () => {
  const [copy, name] = [join(folder, "copy"), origin.split("/").at(-1) as string];
  await cp(dir, copy, { recursive: true });
  expect(await verify(dir, copy)).toMatch(/^ok .*: 5 entries proven by 1 checkpoints/);
  // The same log, continued in two ways by two nodes that hold one key: each way is whole by itself.
  for (const [parent, entries] of [
    [dir, 1],
    [copy, 2],
  ] as const) {
    const log = await AuditLog.open({ folder: parent, keyPair, name: "kavach/node-1" });
    expect(log.origin).toBe(origin);
    for (let n = 0; n < entries; n++) await log.append({ ...RECORD, principalId: `${parent}-${n}` });
    await log.close();
    expect(await verify(parent)).toContain("ok ");
  }
  await expect(verify(dir, copy)).rejects.toThrow("1 of 1 logs did not verify");
  expect(lines).toEqual([expect.stringMatching(/^FAILED .*: FORKED: /)]);
  await expect(verify(dir, copy, "--checkpoint", checkpoint)).rejects.toThrow("1 of 1 logs did not verify");
  await rename(join(copy, name), join(copy, "renamed"));
  await expect(verify(copy)).rejects.toThrow("1 of 1 logs did not verify");
  expect(lines[0]).toContain("ORIGIN_MISMATCH");
  await rm(copy, { recursive: true });
});

it("misses the files of a log of which the checkpoint is left", async () => {
  const emptied = join(folder, "emptied");
  await cp(dir, emptied, { recursive: true });
  await rm(join(emptied, origin.split("/").at(-1) as string, "entries-0000000000000000.jsonl"));
  await expect(verify(emptied)).rejects.toThrow("1 of 1 logs did not verify");
  expect(lines[0]).toContain("LOG_MISSING");
});

it("speaks JSON, says what happened by its exit status, and shows progress beside the results", async () => {
  const run = async (...args: string[]) => {
    const child = promisify(execFile)(process.execPath, [join(import.meta.dirname, "main.ts"), "audit", ...args]);
    const { stdout, stderr } = await child.catch((error: { stdout: string; stderr: string }) => error);
    return { status: child.child.exitCode, stdout, stderr };
  };
  const key = ["--key", join(folder, "audit.pub")];
  const whole = await run("verify", ...key, "--dir", dir, "--json");
  expect(whole).toMatchObject({ status: 0, stderr: expect.stringMatching(/: 100 % of 1 MiB, \d entries\n$/) });
  expect(JSON.parse(whole.stdout)).toMatchObject({ origin, ok: true, unproven: 0 });
  const altered = await run("verify", ...key, "--dir", join(folder, "altered"), "--json");
  expect(altered).toMatchObject({ status: 1, stderr: expect.stringContaining("1 of 1 logs did not verify") });
  expect(JSON.parse(altered.stdout)).toMatchObject({ origin, ok: false, code: "ALTERED", index: 0 });
  for (const args of [
    ["verify", ...key, "--dir", join(folder, "none")],
    ["verify", "--dir", dir],
    ["verify", ...key, "--dir", dir, "--sweet"],
  ]) {
    expect(await run(...args), args.join(" ")).toMatchObject({ status: 2, stdout: "" });
  }
  const help = await run("verify", "--help");
  expect(help).toMatchObject({ status: 0, stdout: expect.stringContaining("Exit status:") });
});

it("takes the list of logs that a cluster keeps on Redis", async () => {
  const server = await startRedis();
  try {
    const registry = await RedisOriginRegistry.fromUrl(server.url);
    const listed = join(folder, "listed");
    const log = await AuditLog.open({ folder: listed, keyPair, registry });
    await log.close();
    await registry.close();
    expect(await verify(listed, "--store", server.url)).toMatch(/^ok .*: 0 entries proven by 1 checkpoints.*$/);
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
  await symlink("/dev/zero", join(folder, "endless.pub"));
  await expect(verify("endless.pub", dir)).rejects.toThrow("holds no public keys");
  await expect(verify(dir, "--checkpoint", join(folder, "endless.pub"))).rejects.toThrow("is no checkpoint");
  await expect(verify(dir, "--checkpoint", join(folder, "audit.pub"))).rejects.toThrow("is no checkpoint");
  const none = join(folder, "none");
  await expect(verify(none)).rejects.toThrow(`--dir: cannot read ${none}: ENOENT`);
  await expect(verify("none.pub", dir)).rejects.toThrow(/^--key: cannot read .*none\.pub: ENOENT$/);
  await expect(verify(dir, "--checkpoint", none)).rejects.toThrow(`--checkpoint: cannot read ${none}: ENOENT`);
});

it("says of a log that cannot be read that nobody knows, and of the others what there is", async () => {
  const closed = join(folder, "closed");
  await cp(dir, closed, { recursive: true });
  const segment = join(closed, origin.split("/").at(-1) as string, "entries-0000000000000000.jsonl");
  await rm(segment);
  await symlink(segment, segment);
  const other = join(folder, "beside");
  await (await AuditLog.open({ folder: other, keyPair })).close();
  const nobodyKnows = expect.objectContaining({ exitCode: 2, message: "1 of 2 logs cannot be read" });
  await expect(verify(closed, other)).rejects.toEqual(nobodyKnows);
  expect(lines).toEqual([
    expect.stringMatching(/^UNKNOWN kavach\/node-1\/\S+: cannot be read: ELOOP: .*entries-0000000000000000\.jsonl'$/),
    expect.stringMatching(/^ok /),
  ]);
  await expect(verify(closed, other, "--json")).rejects.toEqual(nobodyKnows);
  expect(JSON.parse(lines[0] as string)).toMatchObject({ origin, ok: false, code: "UNREADABLE", index: null });
  // One that is known to be bad outweighs it.
  await writeFile(join(other, "current"), "");
  await cp(join(dir, origin.split("/").at(-1) as string), join(other, "renamed"), { recursive: true });
  await expect(verify(closed, other)).rejects.toEqual(expect.objectContaining({ exitCode: 1 }));
});

it("misses a log in every folder that it is told of", async () => {
  const none = join(folder, "nothing-here");
  await mkdir(none);
  const missed = expect.objectContaining({ exitCode: 2, message: expect.stringContaining(`no audit log in ${none};`) });
  await expect(verify(none)).rejects.toEqual(missed);
  await expect(verify(dir, none)).rejects.toEqual(missed);
  expect(lines).toEqual([expect.stringMatching(/^ok /)]);
});

it("verifies a log of more files than a process may have open", async () => {
  const many = join(folder, "many");
  const log = await AuditLog.open({ folder: many, keyPair, segmentBytesMax: 4096 });
  for (let n = 0; n < 80; n++) await log.append({ ...RECORD, resource: "x".repeat(4096) });
  await log.close();
  const main = join(import.meta.dirname, "main.ts");
  const args = [main, "audit", "verify", "--key", join(folder, "audit.pub"), "--dir", many];
  const shell = ["-c", 'ulimit -n 64; exec "$@"', "sh", process.execPath, ...args];
  const { stdout } = await promisify(execFile)("sh", shell);
  expect(stdout).toMatch(/^ok .*: 80 entries proven by 80 checkpoints/);
});

it("says by its exit status what it found when nobody reads its progress or its results", async () => {
  const main = join(import.meta.dirname, "main.ts");
  for (const unread of ["stderr", "stdout"] as const) {
    const args = [main, "audit", "verify", "--key", join(folder, "audit.pub"), "--dir", dir];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
    child[unread].destroy();
    child[unread === "stderr" ? "stdout" : "stderr"].resume();
    expect(await new Promise((resolve) => child.on("close", resolve)), unread).toBe(0);
  }
});

it("lets no name on a disk pretend to be a result, or tell the terminal what to show", async () => {
  const forged = join(folder, "forged");
  await cp(dir, forged, { recursive: true });
  const segment = join(forged, origin.split("/").at(-1) as string, "entries-0000000000000000.jsonl");
  const [head = "", ...entries] = (await readFile(segment, "utf8")).split("\n");
  const named = JSON.stringify({ ...JSON.parse(head), origin: "x\u001b[2K\u009b\nok      kavach/all: proven" });
  await writeFile(segment, [named, ...entries].join("\n"));
  await expect(verify(forged)).rejects.toThrow("1 of 1 logs did not verify");
  expect(lines).toEqual([expect.stringContaining(String.raw`'x\u001b[2K\u009b\u000aok      kavach/all: proven'`)]);
  await expect(verify(forged, "--json")).rejects.toThrow("1 of 1 logs did not verify");
  expect(JSON.parse(lines[0] as string).message).toContain("\u001b[2K\u009b\nok ");
});
