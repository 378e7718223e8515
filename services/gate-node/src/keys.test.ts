/** The keys of a node, from their files: as they are at the start, and as they change while it runs. */
import { mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildSignedManifest, bundleToBytes, KavachKeyPair, keyIdOf, type PublicKeyBundle } from "@kavach/crypto";
import { SYSTEM_CLOCK } from "@kavach/system";
import { afterEach, beforeEach, expect, it } from "vitest";
import { type Config, readConfig } from "./config.ts";
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
async function writeManifest(version: number, ...bundles: PublicKeyBundle[]) {
  const nowMs = Date.now();
  const bytes = await buildSignedManifest(root, { bundles, version, expiresAtMs: nowMs + 600_000, nowMs });
  // Whole or not at all, as Secrets are exchanged.
  await writeFile(file("manifest.new"), bytes);
  await rename(file("manifest.new"), file("manifest"));
  return bytes;
}

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
