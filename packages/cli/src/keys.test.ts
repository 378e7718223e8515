/** The keys of a cluster, from the command to a node that takes them. */
import { mkdtempSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bundleFromBytes, KavachKeyPair, openSignedManifest } from "@kavach/crypto";
import { SYSTEM_CLOCK } from "@kavach/system";
import { REPO, startGateProcess } from "@kavach/testkit";
import { expect, it } from "vitest";
import { keysCommand } from "./keys.ts";

const fresh = () => join(mkdtempSync(join(tmpdir(), "kavach-keys-")), "keys");

async function keys(...args: string[]): Promise<string[]> {
  const lines: string[] = [];
  await keysCommand({ clock: SYSTEM_CLOCK, print: (line) => lines.push(line) })
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

it("keeps the root encrypted, and refuses a manifest that it did not sign", async () => {
  const [dir, other] = [fresh(), fresh()];
  const passphrase = `${dir}-passphrase`;
  await keys("generate", "--dir", other);
  writeFileSync(passphrase, "correct horse\n");
  await keys("generate", "--dir", dir, "--passphrase-file", passphrase);
  expect(readFileSync(join(dir, "root.key"), "utf8")).toContain("ENCRYPTED");
  await expect(keys("rotate", "--dir", dir)).rejects.toMatchObject({ code: "PASSPHRASE_NEEDED" });
  writeFileSync(join(dir, "manifest"), readFileSync(join(other, "manifest")));
  await expect(keys("manifest", "--dir", dir, "--passphrase-file", passphrase)).rejects.toMatchObject({
    code: "RootSignatureInvalid",
  });
  expect(readdirSync(dir).some((name) => name.endsWith(".new"))).toBe(false);
});
