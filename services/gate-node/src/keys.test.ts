/** The keys of a node, from their files: as they are at the start, and as they change while it runs. */
import { mkdir, mkdtemp, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  buildSignedManifest,
  bundleToBytes,
  KavachKeyPair,
  keyIdOf,
  type PublicKeyBundle,
  paramsDigest,
  randomBytes,
} from "@kavach/crypto";
import { LIMITS } from "@kavach/model";
import { SYSTEM_CLOCK } from "@kavach/system";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openAudit } from "./audit.ts";
import { type Config, readConfig } from "./config.ts";
import { KeyUses } from "./key-uses.ts";
import { openKeys, watchKeys } from "./keys.ts";

const root = KavachKeyPair.generate();
let folder: string;
let config: Config;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "kavach-node-keys-"));
  await writeFile(join(folder, "root"), bundleToBytes(root.publicKeys()));
  config = configOf();
});
afterEach(() => rm(folder, { recursive: true }));

const file = (name: string) => join(folder, name);
const configOf = (...more: string[]) =>
  readConfig([
    ...["node", "gate-node", "--policies", "x", "--keys", file("keys"), "--manifest", file("manifest")],
    ...["--root", file("root"), ...more],
  ]);
const idOf = (keyPair: KavachKeyPair) => keyIdOf(keyPair.publicKeys(), "ml-dsa-65+ed25519");
function signManifest(version: number, ...bundles: PublicKeyBundle[]) {
  const nowMs = Date.now();
  return buildSignedManifest(root, { bundles, version, expiresAtMs: nowMs + 600_000, nowMs });
}
async function writeManifest(version: number, ...bundles: PublicKeyBundle[]) {
  return await putManifest(await signManifest(version, ...bundles));
}
async function putManifest(bytes: Uint8Array) {
  // Whole or not at all, as Secrets are exchanged.
  await writeFile(file("manifest.new"), bytes);
  await rename(file("manifest.new"), file("manifest"));
  return bytes;
}

const issuedAtMs = Date.now();
const expiresAtMs = issuedAtMs + 30_000;
const params = new Map([["amount", 5]]);
const claims = () => ({
  ...{ realm: "default", sessionId: "", action: "issue_refund", resource: "", audience: [] },
  ...{ issuedAtMs, notBeforeMs: issuedAtMs, expiresAtMs, singleUse: false, mode: "enforce" as const },
  tokenId: randomBytes(16),
  evaluationId: randomBytes(16),
  principal: { id: "agent-7", kind: "agent" as const, roles: [] },
  paramsDigest: paramsDigest(params),
  policyDigest: randomBytes(32),
  revision: { generation: 1, number: 1 },
});

it("sign with what the file holds, encrypted or not, and take no passphrase for a file that is not", async () => {
  const keyPair = KavachKeyPair.generate();
  await writeManifest(1, keyPair.publicKeys());
  await writeFile(file("passphrase"), "correct horse\n");
  await keyPair.saveToFile(file("keys"));
  expect((await openKeys(config, SYSTEM_CLOCK)).signer.keyId).toBe(idOf(keyPair));
  const withPassphrase = configOf("--passphrase-file", file("passphrase"));
  await expect(openKeys(withPassphrase, SYSTEM_CLOCK)).rejects.toThrow("keys: cannot read");
  await keyPair.saveToFile(file("keys"), { passphrase: "correct horse", workFactor: 14 });
  expect((await openKeys(withPassphrase, SYSTEM_CLOCK)).signer.keyId).toBe(idOf(keyPair));
  await expect(openKeys(config, SYSTEM_CLOCK)).rejects.toThrow("PASSPHRASE_NEEDED");
  await writeFile(file("passphrase"), "another");
  await expect(openKeys(withPassphrase, SYSTEM_CLOCK)).rejects.toThrow("PASSPHRASE_WRONG");
});

it("change with their files, the manifest first, and serve the manifest that was taken", async () => {
  const [first, second] = [KavachKeyPair.generate(), KavachKeyPair.generate()];
  const one = await writeManifest(1, first.publicKeys());
  await first.saveToFile(file("keys"));
  const keys = await openKeys(config, SYSTEM_CLOCK);
  expect([keys.manifest, keys.manifestVersion, await keys.reload()]).toEqual([one, 1, false]);
  await second.saveToFile(file("keys"));
  await expect(keys.reload()).rejects.toThrow("this node's key is not in it");
  expect(keys.signer.keyId).toBe(idOf(first));
  const two = await writeManifest(2, second.publicKeys(), first.publicKeys());
  expect(await keys.reload()).toBe(true);
  expect([keys.signer.keyId, keys.manifestVersion]).toEqual([idOf(second), 2]);
  expect(keys.manifest).toEqual(two);
  await writeFile(file("manifest"), one);
  await expect(keys.reload()).rejects.toMatchObject({ code: "RootSignatureInvalid" });
  expect(keys.manifest).toEqual(two);
  expect(await keys.signer.close()).toBeUndefined();
});

it("are refused by the setting's name when they have expired, at the start and later", async () => {
  const [lasting, brief] = [KavachKeyPair.generate(), KavachKeyPair.generate({ expiresInSeconds: 60 })];
  const later = { ...SYSTEM_CLOCK, nowMs: () => Date.now() + 61_000 };
  await writeManifest(1, lasting.publicKeys(), brief.publicKeys());
  await brief.saveToFile(file("keys"));
  await expect(openKeys(config, later)).rejects.toThrow("keys: the key has expired");
  await lasting.saveToFile(file("keys"));
  const keys = await openKeys(config, later);
  await brief.saveToFile(file("keys"));
  await expect(keys.reload()).rejects.toThrow("keys: the key has expired");
  expect(keys.signer.keyId).toBe(idOf(lasting));
});

it("are in the manifest under what verifiers find them by, and for as long as they sign", async () => {
  const keyPair = KavachKeyPair.generate();
  const expiring = (expiresAt: string) => ({ ...keyPair.publicKeys(), expiresAt });
  await keyPair.saveToFile(file("keys"));
  await writeManifest(1, { ...keyPair.publicKeys(), id: "another" });
  expect((await openKeys(config, SYSTEM_CLOCK)).signer.keyId).toBe(idOf(keyPair));
  const formatOne = configOf("--permit-format", "v1");
  await expect(openKeys(formatOne, SYSTEM_CLOCK)).rejects.toThrow("this node's key is not in it");
  await writeManifest(2, expiring("2026-01-01T00:00:00Z"));
  await expect(openKeys(config, SYSTEM_CLOCK)).rejects.toThrow("this node's key expires earlier in it");
  await writeManifest(3, keyPair.publicKeys());
  const keys = await openKeys(formatOne, SYSTEM_CLOCK);
  await writeManifest(4, expiring("2099-01-01T00:00:00Z"));
  await expect(keys.reload()).rejects.toThrow("this node's key expires earlier in it");
});

it("have one purpose each: the root's signs no permits, and neither of them signs the audit log", async () => {
  const [keyPair, audit] = [KavachKeyPair.generate(), KavachKeyPair.generate()];
  await root.saveToFile(file("keys"));
  await writeManifest(1, root.publicKeys(), keyPair.publicKeys());
  await expect(openKeys(config, SYSTEM_CLOCK)).rejects.toThrow("root: the key is the one of keys");
  await keyPair.saveToFile(file("keys"));
  const withAudit = configOf("--audit-dir", file("log"), "--audit-key", file("audit"));
  const open = async () => {
    const uses = new KeyUses();
    await openKeys(withAudit, SYSTEM_CLOCK, uses);
    return await openAudit(withAudit, "node-1", SYSTEM_CLOCK, { report: () => {}, say: () => {}, uses });
  };
  await keyPair.saveToFile(file("audit"));
  await expect(open()).rejects.toThrow("audit_key: the key is the one of keys; each purpose needs a key of its own");
  await audit.saveToFile(file("audit"));
  const log = await open();
  await root.saveToFile(file("audit"));
  await expect(log?.reload()).rejects.toThrow("audit_key: the key is the one of root");
  await log?.close();
});

it("sign nothing that no verifier would take: not under a lapsed manifest, one that dropped the key, or an expired key", async () => {
  const [first, second] = [KavachKeyPair.generate({ expiresInSeconds: 1200 }), KavachKeyPair.generate()];
  await writeManifest(1, first.publicKeys());
  await first.saveToFile(file("keys"));
  const clock = { ...SYSTEM_CLOCK, aheadMs: 0, nowMs: () => SYSTEM_CLOCK.nowMs() + clock.aheadMs };
  const keys = await openKeys(config, clock);
  const sealed = () => keys.signer.sealToken?.(claims()).then(() => "sealed");
  expect([keys.fault(), await sealed()]).toEqual([undefined, "sealed"]);
  // The manifest's 600 seconds, to the millisecond.
  clock.aheadMs = keys.manifestExpiresAtMs - Date.now() + 1;
  expect(keys.fault()).toBe("the manifest has lapsed");
  await expect(sealed()).rejects.toThrow("the manifest has lapsed");
  await expect(keys.signer.seal(claims())).rejects.toThrow("the manifest has lapsed");
  const nowMs = Date.now();
  const holding = (version: number, ...bundles: PublicKeyBundle[]) =>
    buildSignedManifest(root, { bundles, version, nowMs, expiresAtMs: nowMs + 7_200_000 });
  await putManifest(await holding(2, second.publicKeys()));
  await expect(keys.reload()).rejects.toThrow("this node's key is not in it");
  await expect(sealed()).rejects.toThrow("the manifest does not hold the signing key");
  await putManifest(await holding(3, second.publicKeys(), first.publicKeys()));
  expect(await keys.reload()).toBe(true);
  expect([keys.fault(), await sealed()]).toEqual([undefined, "sealed"]);
  clock.aheadMs = 1_200_000;
  expect(keys.fault()).toBe("the signing key has expired");
  await expect(sealed()).rejects.toThrow("has expired");
  await second.saveToFile(file("keys"));
  expect(await keys.reload()).toBe(true);
  expect([keys.fault(), await sealed()]).toEqual([undefined, "sealed"]);
});

it("go back to an earlier key at once, and do not take another key under the id of the one in force for it", async () => {
  const [first, second] = [KavachKeyPair.generate(), KavachKeyPair.generate()];
  await writeManifest(1, first.publicKeys(), second.publicKeys());
  await first.saveToFile(file("keys"));
  const keys = await openKeys(config, SYSTEM_CLOCK);
  for (const next of [second, first]) {
    await next.saveToFile(file("keys"));
    expect(await keys.reload()).toBe(true);
    expect(keys.signer.keyId).toBe(idOf(next));
  }
  const renamed = Buffer.from(second.toSecretBytes()).toString("latin1").replaceAll(second.id, first.id);
  await writeFile(file("keys"), renamed, "latin1");
  await expect(keys.reload()).rejects.toThrow("the key signs already");
  expect(keys.signer.keyId).toBe(idOf(first));
});

it("are told of as changed when a manifest was taken before the key could be", async () => {
  const [first, second] = [KavachKeyPair.generate(), KavachKeyPair.generate()];
  await writeManifest(1, first.publicKeys());
  await first.saveToFile(file("keys"));
  const keys = await openKeys(config, SYSTEM_CLOCK);
  await writeManifest(2, first.publicKeys(), second.publicKeys());
  await writeFile(file("keys"), "half");
  await expect(keys.reload()).rejects.toThrow(
    /^keys: cannot read .*keys: KEY_CORRUPT: the bytes are not of this key form$/,
  );
  await first.saveToFile(file("keys"));
  expect([await keys.reload(), keys.manifestVersion, await keys.reload()]).toEqual([true, 2, false]);
});

it("are refused by the name of their setting where they are endless, expired, or not encrypted beside a passphrase", async () => {
  const keyPair = KavachKeyPair.generate({ expiresInSeconds: 60 });
  await writeManifest(1, keyPair.publicKeys());
  await keyPair.saveToFile(file("keys"));
  await writeFile(file("passphrase"), "correct horse\n");
  await expect(openKeys(configOf("--passphrase-file", file("passphrase")), SYSTEM_CLOCK)).rejects.toThrow(
    /OPTION_INVALID: a passphrase was given, but the key file is not encrypted$/,
  );
  const late = { ...SYSTEM_CLOCK, nowMs: () => SYSTEM_CLOCK.nowMs() + 60_000 };
  await expect(openKeys(config, late)).rejects.toThrow(/^keys: the key has expired$/);
  for (const [name, message] of [
    ["keys", /^keys: cannot read .*: KEY_CORRUPT/],
    ["root", /^root: cannot read .*: KEY_CORRUPT/],
  ] as const) {
    await rm(file(name));
    await symlink("/dev/zero", file(name));
    await expect(openKeys(config, SYSTEM_CLOCK)).rejects.toThrow(message);
    await rm(file(name));
    await keyPair.saveToFile(file("keys"));
  }
});

it("are looked at while the node runs, and a fault is told once", async () => {
  const [first, second] = [KavachKeyPair.generate(), KavachKeyPair.generate()];
  await writeManifest(1, first.publicKeys());
  await first.saveToFile(file("keys"));
  const keys = await openKeys(config, SYSTEM_CLOCK);
  const changes: string[] = [];
  const faults: unknown[] = [];
  const watching = watchKeys(keys, {
    onChange: (keyId, version) => changes.push(`${keyId} ${version}`),
    onFault: (error) => faults.push(error),
    everyMs: 5,
  });
  await second.saveToFile(file("keys"));
  await expect.poll(() => faults.length).toBe(1);
  await writeManifest(2, second.publicKeys());
  await expect.poll(() => changes.at(-1)).toBe(`${idOf(second)} 2`);
  watching.close();
  expect(faults).toHaveLength(1);
});

describe("the newest manifest that was taken, with --seen-version", () => {
  const restart = (seen = file("seen")) => openKeys(configOf("--seen-version", seen), SYSTEM_CLOCK);
  const keyPair = KavachKeyPair.generate();
  beforeEach(() => keyPair.saveToFile(file("keys")));

  it("is remembered: a node that is started again refuses an older one, and another one of the same version", async () => {
    const one = await writeManifest(1, keyPair.publicKeys());
    const keys = await restart();
    const two = await writeManifest(2, keyPair.publicKeys());
    expect(await keys.reload()).toBe(true);
    expect(JSON.parse(await readFile(file("seen"), "utf8"))).toMatchObject({ version: 2 });
    await writeFile(file("manifest"), one);
    await expect(restart()).rejects.toThrow(`manifest: ${file("manifest")}: a newer manifest was seen before`);
    // Without the file, the guard is off.
    expect((await openKeys(config, SYSTEM_CLOCK)).manifestVersion).toBe(1);
    await writeManifest(2, keyPair.publicKeys(), KavachKeyPair.generate().publicKeys());
    await expect(restart()).rejects.toThrow("two manifests of one version");
    await writeFile(file("manifest"), two);
    expect((await restart()).manifestVersion).toBe(2);
    await writeManifest(7, keyPair.publicKeys());
    expect((await restart()).manifestVersion).toBe(7);
  });

  it("is not guessed at: a file that is damaged, is none, or cannot be kept, is refused by name", async () => {
    await writeManifest(3, keyPair.publicKeys());
    for (const text of ["", "3", '{"version":3}', '{"version":3,"digest":"00","more":1}']) {
      await writeFile(file("seen"), text);
      await expect(restart()).rejects.toThrow(
        `seen_version: ${file("seen")}: the file of the newest version seen is damaged`,
      );
    }
    await expect(restart(folder)).rejects.toThrow(/^seen_version: .*could not be read: EISDIR$/);
    await expect(restart(file("nowhere/seen"))).rejects.toThrow(/^seen_version: .*could not be kept: ENOENT$/);
    await rm(file("seen"));
    expect((await restart()).manifestVersion).toBe(3);
  });

  it("is kept before it is used: a manifest whose version cannot be kept does not come into force", async () => {
    await mkdir(file("volume"));
    await writeManifest(1, keyPair.publicKeys());
    const keys = await restart(file("volume/seen"));
    await rm(file("volume"), { recursive: true });
    await writeManifest(2, keyPair.publicKeys());
    await expect(keys.reload()).rejects.toThrow("could not be kept: ENOENT");
    expect(keys.manifestVersion).toBe(1);
    await mkdir(file("volume"));
    expect(await keys.reload()).toBe(true);
    expect(keys.manifestVersion).toBe(2);
  });

  it("needs a manifest", () => {
    expect(() => readConfig(["node", "gate-node", "--policies", "x", "--seen-version", "y"])).toThrow(
      "seen_version: needs keys, manifest and root",
    );
  });
});

describe("keys in a Kubernetes Secret, which changes by exchanging the link ..data", () => {
  const expectedAt = (nowMs: number) => ({
    ...{ realm: "default", principalId: "agent-7", action: { name: "issue_refund", params } },
    nowMs,
  });
  let generation = 0;
  /** As the kubelet does it: a new folder, a new link, and one rename that puts it in the place of the old. */
  async function exchange(content: ReadonlyMap<string, Uint8Array>): Promise<void> {
    const data = `..data-${++generation}`;
    await mkdir(file(data));
    for (const [name, bytes] of content) await writeFile(join(file(data), name), bytes);
    await symlink(data, file("..data_tmp"));
    await rename(file("..data_tmp"), file("..data"));
  }
  async function secretOf(version: number, active: KavachKeyPair, ...earlier: KavachKeyPair[]) {
    const bundles = [active, ...earlier].map((keyPair) => keyPair.publicKeys());
    return new Map<string, Uint8Array>([
      ["permit.key", active.toSecretBytes()],
      ["manifest", await signManifest(version, ...bundles)],
      ["root.pub", bundleToBytes(root.publicKeys())],
    ]);
  }

  it("are taken when they hold; a broken key is told of, and the one in force goes on; older permits verify until they expire", async () => {
    const [first, second] = [KavachKeyPair.generate(), KavachKeyPair.generate()];
    await exchange(await secretOf(1, first));
    for (const name of ["permit.key", "manifest", "root.pub"]) await symlink(`..data/${name}`, file(name));
    const files = ["--keys", file("permit.key"), "--manifest", file("manifest"), "--root", file("root.pub")];
    const settings = readConfig(["node", "gate-node", "--policies", "x", ...files]);
    const keys = await openKeys(settings, SYSTEM_CLOCK);
    const before = await keys.signer.seal(claims());
    const changes: string[] = [];
    const faults: unknown[] = [];
    const watching = watchKeys(keys, {
      onChange: (keyId) => changes.push(keyId),
      onFault: (error) => faults.push(error),
      everyMs: 5,
    });
    const broken = await secretOf(2, second, first);
    await exchange(broken.set("permit.key", Buffer.from("no key")));
    await expect.poll(() => faults.length).toBe(1);
    expect(String(faults[0])).toMatch(/keys: cannot read .*permit.key: KEY_CORRUPT/);
    expect(keys.signer.keyId).toBe(idOf(first));
    await exchange(await secretOf(3, second, first));
    await expect.poll(() => keys.signer.keyId).toBe(idOf(second));
    expect(changes.at(-1)).toBe(idOf(second));
    watching.close();
    const after = await keys.signer.seal(claims());
    for (const token of [before, after]) {
      const verify = (nowMs: number) => keys.verifier.verify(token as Uint8Array, expectedAt(nowMs));
      expect((await verify(expiresAtMs + LIMITS.permitSkewMs - 1)).kind).toBe("valid");
      expect(await verify(expiresAtMs + LIMITS.permitSkewMs)).toEqual({ kind: "invalid", failure: "EXPIRED" });
    }
  });
});
