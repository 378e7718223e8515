/** The audit log of a running node, verified from outside by what the node left behind. */
import { mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { originFoldersIn, verifyLog } from "@kavach/audit";
import { bundleFromBytes, KavachKeyPair } from "@kavach/crypto";
import { awaitCondition, REPO, startGateProcess } from "@kavach/testkit";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readConfig } from "./config.ts";

const CONFIG = join(REPO, "examples/gate-node.toml");
let folder: string;
let dir: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "kavach-node-audit-"));
  dir = join(folder, "audit");
});
afterEach(() => rm(folder, { recursive: true }));

async function evaluate(address: string, amount: number): Promise<unknown> {
  const response = await fetch(`http://${address}/kavach.v1.GateService/Evaluate`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      context: {
        principal: { id: "agent-bot", kind: "PRINCIPAL_KIND_AGENT" },
        action: { name: "issue_refund", params: { amount } },
      },
    }),
  });
  return await response.json();
}

describe("a gate-node with --audit-dir", () => {
  it("keeps every verdict, over a kill and a stop, in a log that its key vouches for", async () => {
    const args = ["--config", CONFIG, "--audit-dir", dir, "--audit-mode", "required"];
    for (const amount of [500, 5000]) {
      await using node = await startGateProcess({ args });
      if (amount === 500) {
        expect(node.child.log).toContain("audit key was made at this start");
        // As a kill between the two files would have left it.
        await rm(join(dir, "audit.pub"));
      }
      expect(await evaluate(node.address, amount)).toHaveProperty(amount === 500 ? "permit.token" : "refuse.code");
      // The first is killed when it is disposed of; the second ends in order, and signs a last checkpoint.
      if (amount === 5000) expect(await node.child.end("SIGTERM")).toBe(0);
    }
    const bundles = [bundleFromBytes(await readFile(join(dir, "audit.pub")))];
    const [origin, ...others] = await originFoldersIn(dir);
    expect(others).toEqual([]);
    expect(await readdir(dir)).not.toContain("audit.pub.new");
    const verified = await verifyLog({ folder: origin as string, bundles, suite: "ml-dsa-65+ed25519" });
    expect(verified).toMatchObject({ proven: 2, unproven: 0 });
    const name = (await readdir(origin as string)).find((one) => one.endsWith(".jsonl"));
    const lines = (await readFile(join(origin as string, name as string), "utf8")).trimEnd().split("\n").slice(1);
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([
      { index: 0, principal_id: "agent-bot", found: { kind: "permit" }, returned: "permit" },
      { index: 1, principal_id: "agent-bot", found: { kind: "refuse" }, returned: "refuse" },
    ]);
  });

  it("takes itself out of service while the log that it must write has stopped, says why, and goes on when it can", async () => {
    await using node = await startGateProcess({
      args: ["--config", CONFIG, "--audit-dir", dir, "--audit-mode", "required"],
    });
    const ready = async () => {
      const response = await fetch(`${node.adminUrl}/readyz`);
      return `${response.status} ${await response.text()}`;
    };
    expect(await evaluate(node.address, 500)).toHaveProperty("permit.token");
    expect(await ready()).toMatch(/^200 ok/);
    const bundles = [bundleFromBytes(await readFile(join(dir, "audit.pub")))];
    await rm(dir, { recursive: true });
    await writeFile(dir, "no folder");
    for (let n = 0; n < 20; n++) {
      expect(await evaluate(node.address, 500)).toHaveProperty("refuse.reason", "audit unavailable");
    }
    expect(await ready()).toMatch(/^503 the audit log takes no more entries until it is opened anew/);
    // The write that failed, and the first that was not tried; the others are one line with their number.
    expect(node.child.log.match(/audit write failed/g)).toHaveLength(2);
    await awaitCondition(() => /"times":\d+.*audit write failed/.test(node.child.log), { what: "number of failures" });
    await awaitCondition(() => /EEXIST.*audit log not opened anew/.test(node.child.log), { what: "attempt in vain" });
    await rm(dir);
    await awaitCondition(async () => (await ready()).startsWith("200"), { what: "log opened anew" });
    expect(node.child.log).toMatch(/audit log kavach\S+ is LOG_MISSING and not continued; kavach\S+ was begun/);
    expect(node.child.log).toContain("audit log was opened anew and goes on");
    expect(await evaluate(node.address, 500)).toHaveProperty("permit.token");
    expect(await node.child.end("SIGTERM")).toBe(0);
    const [origin, ...others] = await originFoldersIn(dir);
    expect(others).toEqual([]);
    const verified = await verifyLog({ folder: origin as string, bundles, suite: "ml-dsa-65+ed25519" });
    expect(verified).toMatchObject({ proven: 1, unproven: 0 });
  }, 40_000);

  it("goes on with the key that takes the place of its own, and keeps its own when that is none", async () => {
    const [key, next] = [join(folder, "audit.key"), join(folder, "next.key")];
    const [first, second] = [KavachKeyPair.generate(), KavachKeyPair.generate()];
    await first.saveToFile(key);
    await second.saveToFile(next);
    const args = ["--config", CONFIG, "--audit-dir", dir, "--audit-key", key, "--audit-mode", "required"];
    await using node = await startGateProcess({ args });
    expect(await evaluate(node.address, 500)).toHaveProperty("permit.token");
    await writeFile(key, "no key");
    await awaitCondition(() => node.child.log.includes("audit key not taken"), { what: "word of the broken file" });
    expect(await evaluate(node.address, 500)).toHaveProperty("permit.token");
    await rename(next, key);
    await awaitCondition(() => node.child.log.includes("audit key changed"), { what: "word of the new key" });
    expect(await evaluate(node.address, 500)).toHaveProperty("permit.token");
    expect(await node.child.end("SIGTERM")).toBe(0);
    const [origin] = await originFoldersIn(dir);
    const verify = (...pairs: readonly KavachKeyPair[]) =>
      verifyLog({
        ...{ folder: origin as string, suite: "ml-dsa-65+ed25519" },
        bundles: pairs.map((one) => one.publicKeys()),
      });
    expect(await verify(first, second)).toMatchObject({ proven: 3, unproven: 0 });
    expect(await verify(second)).toMatchObject({ proven: 3 });
    await expect(verify(first)).rejects.toMatchObject({ code: "CHECKPOINT_UNTRUSTED" });
    // A start after that goes on with the same log.
    await using again = await startGateProcess({ args });
    expect(await evaluate(again.address, 500)).toHaveProperty("permit.token");
    expect(await again.child.end("SIGTERM")).toBe(0);
    expect(await originFoldersIn(dir)).toEqual([origin]);
    expect(await verify(second)).toMatchObject({ proven: 4, unproven: 0 });
  }, 40_000);

  it("signs with the key it is given, and refuses settings that do not fit together", async () => {
    const key = join(folder, "audit.key");
    await KavachKeyPair.generate().saveToFile(key);
    await using node = await startGateProcess({
      args: ["--config", CONFIG, "--audit-dir", dir, "--audit-key", key],
    });
    expect(node.child.log).not.toContain("audit key was made");
    const read =
      (...args: string[]) =>
      () =>
        readConfig(["node", "gate-node", "--config", CONFIG, ...args]);
    expect(read("--audit-key", key)).toThrow("audit_key: needs audit_dir");
    expect(read("--audit-dir", dir, "--audit-log", "x")).toThrow("give one of them");
    expect(read("--audit-dir", dir, "--store", "redis://127.0.0.1:1")).toThrow("audit_key: required");
    expect(read("--audit-mode", "required")).toThrow("needs audit_log or audit_dir");
  });
});
