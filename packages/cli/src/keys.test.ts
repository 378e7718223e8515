/** The keys of a cluster, from the command to a node that takes them. */
import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { bundleFromBytes, KavachKeyPair, openSignedManifest } from "@kavach/crypto";
import type { Clock } from "@kavach/model";
import { SYSTEM_CLOCK } from "@kavach/system";
import { REPO, startGateProcess } from "@kavach/testkit";
import { expect, it } from "vitest";
import { keysCommand } from "./keys.ts";

const MAIN = join(import.meta.dirname, "main.ts");

const fresh = () => join(mkdtempSync(join(tmpdir(), "kavach-keys-")), "keys");

async function keys(...args: string[]): Promise<string[]> {
  return await keysAt(SYSTEM_CLOCK, ...args);
}

async function keysAt(clock: Clock, ...args: string[]): Promise<string[]> {
  const lines: string[] = [];
  await keysCommand({ clock, print: (line) => lines.push(line) })
    .exitOverride()
    .parseAsync(args, { from: "user" });
  return lines;
}

async function manifestIn(dir: string) {
  const root = bundleFromBytes(readFileSync(join(dir, "root.pub")));
  return await openSignedManifest(readFileSync(join(dir, "manifest")), root, {
    nowMs: SYSTEM_CLOCK.nowMs(),
    versionMin: 0,
  });
}

it("makes keys that a gate-node takes as they are", async () => {
  const dir = fresh();
  const lines = await keys("generate", "--dir", dir);
  expect(statSync(join(dir, "permit.key")).mode & 0o777).toBe(0o600);
  const flags =
    lines
      .find((line) => line.startsWith("gate-node "))
      ?.split(" ")
      .slice(1) ?? [];
  const auditFlags = ["--audit-dir", join(dir, "log"), "--audit-key", join(dir, "audit.key")];
  const config = ["--config", join(REPO, "examples/gate-node.toml")];
  await using node = await startGateProcess({ args: [...config, ...flags, ...auditFlags] });
  expect(node.child.log).not.toContain("made at this start");
  await expect(keys("generate", "--dir", dir)).rejects.toThrow("is there already");
});

it("rotates without dropping the key whose permits are about, and counts versions up", async () => {
  const dir = fresh();
  await keys("generate", "--dir", dir);
  const first = (await manifestIn(dir)).bundles[0]?.id;
  await keys("rotate", "--dir", dir);
  const second = await manifestIn(dir);
  const active = (await KavachKeyPair.loadFromFile(join(dir, "permit.key"))).id;
  expect(second.version).toBe(2);
  expect(second.bundles.map(({ id }) => id).toSorted()).toEqual([first, active].toSorted());
  await keys("rotate", "--dir", dir, "--keep", "1");
  const third = await manifestIn(dir);
  expect(third.bundles.map(({ id }) => id)).not.toContain(first);
  expect(third.bundles.map(({ id }) => id)).toContain(active);
  await keys("manifest", "--dir", dir);
  expect((await manifestIn(dir)).version).toBe(4);
});

it("does not vouch again for a key that a rotation dropped, at any later signing", async () => {
  const dir = fresh();
  await keys("generate", "--dir", dir);
  const first = (await manifestIn(dir)).bundles[0]?.id;
  await keys("rotate", "--dir", dir);
  expect(await keys("rotate", "--dir", dir, "--keep", "1")).toContainEqual(expect.stringContaining(`dropped ${first}`));
  const kept = (await manifestIn(dir)).bundles.map(({ id }) => id).toSorted();
  await keys("manifest", "--dir", dir);
  expect((await manifestIn(dir)).bundles.map(({ id }) => id).toSorted()).toEqual(kept);
  await keys("rotate", "--dir", dir, "--keep", "5");
  expect((await manifestIn(dir)).bundles.map(({ id }) => id)).not.toContain(first);
  // As after a theft: none of the earlier ones.
  await keys("rotate", "--dir", dir, "--keep", "0");
  const active = (await KavachKeyPair.loadFromFile(join(dir, "permit.key"))).id;
  expect((await manifestIn(dir)).bundles.map(({ id }) => id)).toEqual([active]);
});

it("vouches for the key that it has just made, also where the clock was ahead when the others were", async () => {
  const dir = fresh();
  const ahead: Clock = { ...SYSTEM_CLOCK, nowMs: () => SYSTEM_CLOCK.nowMs() + 3_600_000 };
  await keysAt(ahead, "generate", "--dir", dir);
  await keysAt(ahead, "rotate", "--dir", dir);
  await keys("rotate", "--dir", dir, "--keep", "1");
  const active = (await KavachKeyPair.loadFromFile(join(dir, "permit.key"))).id;
  expect((await manifestIn(dir)).bundles.map(({ id }) => id)).toContain(active);
});

it("signs no two manifests of one version, however many commands run at once", async () => {
  const dir = fresh();
  await keys("generate", "--dir", dir);
  const rotate = () => promisify(execFile)(process.execPath, [MAIN, "keys", "rotate", "--dir", dir]);
  const tried = await Promise.allSettled([rotate(), rotate(), rotate()]);
  const versions = tried.flatMap((one) =>
    one.status === "fulfilled" ? [Number(/^manifest (\d+)/.exec(one.value.stdout)?.[1])] : [],
  );
  expect(versions.toSorted()).toEqual(versions.map((_, n) => n + 2));
  for (const one of tried) if (one.status === "rejected") expect(one.reason.stderr).toContain("is at work");
  const { version, bundles } = await manifestIn(dir);
  expect(version).toBe(versions.length + 1);
  const active = (await KavachKeyPair.loadFromFile(join(dir, "permit.key"))).id;
  expect(bundles.map(({ id }) => id)).toContain(active);
  expect(readdirSync(dir)).not.toContain("lock");
});

it("leaves nothing of a set that could not be made whole", async () => {
  const dir = fresh();
  // Root and audit key are written before this permit key turns out to expire when no text can say.
  const late: Clock = { ...SYSTEM_CLOCK, nowMs: () => Date.UTC(9999, 11, 30) };
  await expect(keysAt(late, "generate", "--dir", dir, "--permit-days", "36500")).rejects.toThrow("too far away");
  expect(readdirSync(dir)).toEqual([]);
});

it("takes no passphrase that is endless or not text, and says which file it was", async () => {
  const dir = fresh();
  const file = `${dir}-passphrase`;
  for (const [content, message] of [
    [Buffer.from("\n"), "the file is empty"],
    [Buffer.from([0xff, 0xfe, 0x41]), "the passphrase is not UTF-8"],
    [Buffer.alloc(4097, "a"), "the file is too long for a passphrase"],
  ] as const) {
    writeFileSync(file, content);
    await expect(keys("generate", "--dir", dir, "--passphrase-file", file)).rejects.toThrow(
      `--passphrase-file: ${file}: ${message}`,
    );
  }
  await expect(keys("generate", "--dir", dir, "--passphrase-file", "/dev/zero")).rejects.toThrow("is too long");
});

it("keeps the root encrypted, and refuses a manifest that it did not sign", async () => {
  const [dir, other] = [fresh(), fresh()];
  const passphrase = `${dir}-passphrase`;
  await keys("generate", "--dir", other);
  writeFileSync(passphrase, "correct horse\n");
  await keys("generate", "--dir", dir, "--passphrase-file", passphrase);
  expect(readFileSync(join(dir, "root.key"), "utf8")).toContain("ENCRYPTED");
  await expect(keys("rotate", "--dir", dir)).rejects.toThrow(
    `${join(dir, "root.key")}: the key file is encrypted; give --passphrase-file`,
  );
  writeFileSync(`${dir}-wrong`, "battery staple\n");
  await expect(keys("rotate", "--dir", dir, "--passphrase-file", `${dir}-wrong`)).rejects.toThrow(
    `${join(dir, "root.key")}: the passphrase is another`,
  );
  writeFileSync(join(dir, "manifest"), readFileSync(join(other, "manifest")));
  await expect(keys("manifest", "--dir", dir, "--passphrase-file", passphrase)).rejects.toThrow(
    `${join(dir, "manifest")}: the root's signature does not verify`,
  );
  expect(readdirSync(dir).some((name) => name.endsWith(".new"))).toBe(false);
});

/** Every file of a folder with its bytes. */
const contentOf = (dir: string) =>
  new Map(readdirSync(dir).map((name) => [name, readFileSync(join(dir, name), "hex")]));

it("writes for its owner alone, over nothing that is there, and over no public key that would be vouched for", async () => {
  const dir = fresh();
  const before = process.umask(0);
  try {
    await keys("generate", "--dir", dir);
  } finally {
    process.umask(before);
  }
  expect(statSync(dir).mode & 0o777).toBe(0o700);
  for (const name of readdirSync(dir)) expect([name, statSync(join(dir, name)).mode & 0o777]).toEqual([name, 0o600]);
  const made = contentOf(dir);
  for (const name of [...made.keys()]) {
    const other = fresh();
    await keys("generate", "--dir", other);
    for (const more of readdirSync(other).filter((one) => one !== name)) rmSync(join(other, more));
    writeFileSync(join(other, name), "somebody's");
    await expect(keys("generate", "--dir", other), name).rejects.toThrow(`${join(other, name)} is there already`);
    expect(contentOf(other)).toEqual(new Map([[name, Buffer.from("somebody's").toString("hex")]]));
  }
});

it("changes nothing where it fails, names what was wrong, and never the version back", async () => {
  const dir = fresh();
  await keys("generate", "--dir", dir);
  await keys("rotate", "--dir", dir);
  const spoilt: [string, string, RegExp][] = [
    ["manifest", "junk", /manifest: the bytes are no manifest$/],
    ["root.key", "junk", /root.key: the bytes are not of this key form$/],
    ["permit.key", "junk", /permit.key: the bytes are not of this key form$/],
    ["permit-1-x.pub", "junk", /permit-1-x.pub: the bytes are not of this key form$/],
  ];
  for (const [name, content, message] of spoilt) {
    const whole = contentOf(dir);
    writeFileSync(join(dir, name), content);
    const changed = contentOf(dir);
    await expect(keys("rotate", "--dir", dir), name).rejects.toThrow(message);
    expect(contentOf(dir), name).toEqual(changed);
    if (whole.has(name)) writeFileSync(join(dir, name), Buffer.from(whole.get(name) ?? "", "hex"));
    else rmSync(join(dir, name));
  }
  rmSync(join(dir, "manifest"));
  for (const command of ["rotate", "manifest"]) {
    await expect(keys(command, "--dir", dir)).rejects.toThrow("manifest is not there");
  }
  await keys("manifest", "--dir", dir, "--after-version", "2");
  expect((await manifestIn(dir)).version).toBe(3);
  await keys("manifest", "--dir", dir, "--after-version", "1");
  expect((await manifestIn(dir)).version).toBe(4);
  writeFileSync(join(dir, "..", "file"), "");
  await expect(keys("generate", "--dir", join(dir, "..", "file"))).rejects.toThrow("--dir: ");
  await expect(keys("generate", "--dir", fresh(), "--passphrase-file", "nowhere")).rejects.toThrow(
    "--passphrase-file: cannot read nowhere: ENOENT",
  );
});

it("encrypts what the nodes sign with, and goes on doing so", { timeout: 60_000 }, async () => {
  const dir = fresh();
  const passphrase = `${dir}-node`;
  writeFileSync(passphrase, "node horse\n");
  const encrypted = ["--node-passphrase-file", passphrase];
  const lines = await keys("generate", "--dir", dir, ...encrypted);
  const flags = lines.find((line) => line.startsWith("gate-node "))?.split(" ") ?? [];
  expect(flags.slice(-2)).toEqual(["--passphrase-file", passphrase]);
  await expect(keys("rotate", "--dir", dir)).rejects.toThrow("permit.key: the key file is encrypted; give --node-pass");
  await keys("rotate", "--dir", dir, ...encrypted);
  for (const name of ["permit.key", "audit.key"]) {
    await KavachKeyPair.loadFromFile(join(dir, name), { passphrase: "node horse" });
    expect(readFileSync(join(dir, name), "utf8")).toContain("ENCRYPTED");
  }
  const auditFlags = ["--audit-dir", join(dir, "log"), "--audit-key", join(dir, "audit.key")];
  const config = ["--config", join(REPO, "examples/gate-node.toml")];
  await using node = await startGateProcess({ args: [...config, ...flags.slice(1), ...auditFlags] });
  expect(node.child.log).not.toContain("made at this start");
});
