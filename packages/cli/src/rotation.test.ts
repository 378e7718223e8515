/** A permit key is replaced while two nodes serve, step by step as docs/security/keys.md says; a permit of each verifies at both all the while. */
import { cpSync, mkdirSync, mkdtempSync, renameSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SYSTEM_CLOCK } from "@kavach/system";
import { type GateProcess, REPO, startGateProcess, startRedis } from "@kavach/testkit";
import { expect, it } from "vitest";
import { keysCommand } from "./keys.ts";

const folder = mkdtempSync(join(tmpdir(), "kavach-rotation-"));
const KEYS = join(folder, "keys");
const NODES = ["a", "b"] as const;
type NodeName = (typeof NODES)[number];
const action = { name: "issue_refund", params: { amount: 5 } };

async function keys(...args: string[]): Promise<void> {
  await keysCommand({ clock: SYSTEM_CLOCK, print: () => {} })
    .exitOverride()
    .parseAsync([...args, "--dir", KEYS], { from: "user" });
}

function give(node: NodeName, name: "permit.key" | "manifest" | "root.pub"): void {
  const draft = join(folder, node, ".draft");
  cpSync(join(KEYS, name), draft);
  renameSync(draft, join(folder, node, name));
}

async function call<T>(node: GateProcess, method: string, body: object): Promise<T> {
  const answer = await fetch(`http://${node.address}/kavach.v1.${method}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  return (await answer.json()) as T;
}

/** Issued by one, verified by the other, and by itself. */
async function crossed(a: GateProcess, b: GateProcess): Promise<unknown[]> {
  const found: unknown[] = [];
  for (const [issuer, verifier] of [
    [a, b],
    [b, a],
    [a, a],
    [b, b],
  ] as const) {
    const context = { principal: { id: "agent-bot", kind: "PRINCIPAL_KIND_AGENT" }, action };
    const { permit } = await call<{ permit?: { token: string } }>(issuer, "GateService/Evaluate", { context });
    const expected = { principalId: "agent-bot", action };
    const request = { token: permit?.token, expected };
    const { failure } = await call<{ failure?: string }>(verifier, "PermitService/VerifyPermit", request);
    found.push(permit === undefined ? "no permit" : (failure ?? "verified"));
  }
  return found;
}

const start = (node: NodeName, state: readonly string[]) => {
  const files = (["permit.key", "manifest", "root.pub"] as const).map((name) => join(folder, node, name));
  const [key, manifest, root] = files as [string, string, string];
  const flags = ["--keys", key, "--manifest", manifest, "--root", root, "--seen-version", join(folder, node, "seen")];
  return startGateProcess({ args: ["--config", join(REPO, "examples/gate-node.toml"), ...flags, ...state] });
};

it("costs no permit where the manifest goes first", { timeout: 120_000 }, async () => {
  await keys("generate");
  for (const node of NODES) {
    mkdirSync(join(folder, node));
    for (const name of ["permit.key", "manifest", "root.pub"] as const) give(node, name);
  }
  await using redis = {
    server: await startRedis({ appendOnly: "always" }),
    [Symbol.asyncDispose]: () => redis.server.stop(),
  };
  const { url } = redis.server;
  const log = ["--log", url];
  await using fanout = await startGateProcess({ main: join(REPO, "services/fanout/src/main.ts"), args: log });
  const state = ["--store", url, "--fanout", fanout.address];
  await using a = await start("a", state);
  await using b = await start("b", state);
  const verified = Array(4).fill("verified");
  expect(await crossed(a, b)).toEqual(verified);
  await keys("rotate");
  const changes = (node: GateProcess) => node.child.log.split('"keys changed"').length - 1;
  for (const [name, changed] of [
    ["manifest", 1],
    ["permit.key", 2],
  ] as const) {
    for (const [node, process] of [
      ["a", a],
      ["b", b],
    ] as const) {
      give(node, name);
      await expect.poll(() => changes(process), { timeout: 30_000, interval: 100 }).toBe(changed);
      expect(await crossed(a, b), `${name} at ${node}`).toEqual(verified);
    }
  }
  const { version } = await call<{ version: string }>(b, "KeyService/GetPublicKeyDirectory", {});
  expect(version).toBe("2");
});
