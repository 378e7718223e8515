/** A node whose manifest lapses while it runs: as its callers and its operator see it. */
import { mkdtempSync, renameSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildSignedManifest, bundleToBytes, KavachKeyPair } from "@kavach/crypto";
import { REPO, startGateProcess } from "@kavach/testkit";
import { expect, it } from "vitest";

const CALL = {
  context: {
    principal: { id: "agent-bot", kind: "PRINCIPAL_KIND_AGENT" },
    action: { name: "issue_refund", params: { amount: 5 } },
  },
};

it("refuses and is not ready from then on, until it is given the next one", { timeout: 60_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), "kavach-lapse-"));
  const [root, keyPair] = [KavachKeyPair.generate(), KavachKeyPair.generate()];
  const file = (name: string) => join(folder, name);
  const putManifest = async (version: number, lifeMs: number) => {
    const nowMs = Date.now();
    const bundles = [keyPair.publicKeys()];
    const bytes = await buildSignedManifest(root, { bundles, version, nowMs, expiresAtMs: nowMs + lifeMs });
    writeFileSync(file("new"), bytes);
    renameSync(file("new"), file("manifest"));
  };
  await keyPair.saveToFile(file("permit.key"));
  writeFileSync(file("root.pub"), bundleToBytes(root.publicKeys()));
  await putManifest(1, 10_000);
  const files = ["--keys", file("permit.key"), "--manifest", file("manifest"), "--root", file("root.pub")];
  await using node = await startGateProcess({ args: ["--config", join(REPO, "examples/gate-node.toml"), ...files] });
  expect(node.child.log).toContain("the manifest ends soon");
  const verdict = async () => {
    const body = JSON.stringify(CALL);
    const headers = { "content-type": "application/json" };
    const url = `http://${node.address}/kavach.v1.GateService/Evaluate`;
    const answer = await fetch(url, { method: "POST", headers, body });
    return (await answer.json()) as { permit?: object; refuse?: { reason: string } };
  };
  const readiness = async () => {
    const answer = await fetch(`${node.adminUrl}/readyz`);
    return `${answer.status} ${await answer.text()}`;
  };
  expect(await verdict()).toHaveProperty("permit");
  const gauge = async (name: string) => {
    const text = await (await fetch(`${node.adminUrl}/metrics`)).text();
    return Number(new RegExp(`^${name}(?:\\{.*\\})? (\\S+)`, "m").exec(text)?.[1]);
  };
  expect(await gauge("kavach_manifest_version")).toBe(1);
  expect(Math.abs((await gauge("kavach_manifest_expiry_seconds")) - Date.now() / 1000)).toBeLessThan(60);
  expect(await gauge("kavach_permit_key_expiry_seconds")).toBeNaN();
  const patience = { timeout: 30_000, interval: 200 };
  await expect.poll(readiness, patience).toMatch(/^503 the manifest has lapsed/);
  expect((await verdict()).refuse?.reason).toBe("token signing failed: the manifest has lapsed");
  await putManifest(2, 600_000);
  await expect.poll(readiness, patience).toMatch(/^200/);
  expect(await verdict()).toHaveProperty("permit");
  expect(await gauge("kavach_manifest_version")).toBe(2);
  expect(node.child.log).toMatch(/"manifestVersion":2,"manifestExpiresAt":"[^"]+","msg":"keys changed"/);
});
