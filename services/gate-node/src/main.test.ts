/** The process as its operator meets it: what it says when it cannot start, and how it stops. */
import { execFile } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { GateService } from "@kavach/api";
import { grpcServiceOf, openChannel } from "@kavach/client";
import { buildSignedManifest, bundleToBytes, KavachKeyPair } from "@kavach/crypto";
import { SYSTEM_CLOCK } from "@kavach/system";
import { awaitCondition, freePorts, makeClusterFiles, REPO, startGateProcess } from "@kavach/testkit";
import { describe, expect, it } from "vitest";

const MAIN = join(REPO, "services/gate-node/src/main.ts");
const CONFIG = join(REPO, "examples/gate-node.toml");
const folder = mkdtempSync(join(tmpdir(), "kavach-gate-node-"));

function file(name: string, text: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

/** Runs a gate-node that is expected to give up by itself. */
function run(...args: string[]): Promise<{ code: unknown; stderr: string; ms: number }> {
  const startMs = SYSTEM_CLOCK.monotonicMs();
  return new Promise((resolve) => {
    execFile(process.execPath, [MAIN, ...args], { timeout: 20_000 }, (error, _stdout, stderr) =>
      resolve({ code: error?.code ?? 0, stderr, ms: SYSTEM_CLOCK.monotonicMs() - startMs }),
    );
  });
}

describe("a gate-node that cannot start", () => {
  it("names file, policy, path, key and suggestion of a malformed policy", async () => {
    const policies = file(
      "bad.toml",
      '[[policy]]\nname = "small"\neffect = "permit"\nconditions = [{ identity_knd = "agent" }, { rate_limit = { max = 3, window = "1x" } }]\n',
    );
    const { code, stderr } = await run("--policies", policies);
    expect(code).toBe(1);
    for (const part of [policies, "small", "conditions", "identity_knd", 'did you mean "identity_kind"', "window"]) {
      expect(stderr.replaceAll("'", '"')).toContain(part);
    }
    expect(stderr).not.toContain("    at ");
  });

  it("names every wrong setting at once", async () => {
    const config = file("bad-config.toml", 'policies = "p.toml"\nlease = 5\npermit_ttl_ms = 1\nlisten = "nowhere"\n');
    const { code, stderr } = await run("--config", config);
    expect(code).toBe(1);
    for (const part of ["lease", "permit_ttl_ms", "listen"]) expect(stderr).toContain(part);
  });

  it("says where a config file is no TOML, and quotes nothing of it: it may hold the password of a store", async () => {
    const config = file("secret.toml", 'policies = "p.toml"\nstore = "redis://:tr0ub4dor@127.0.0.1\n');
    const { code, stderr } = await run("--config", config);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^gate-node: config: [^\n]*secret\.toml:2:\d+: Invalid TOML document: [^\n]*\n$/);
    expect(stderr).not.toContain("tr0ub4dor");
  });

  it("says in one line that the port is taken", async () => {
    const [port = 0, admin] = await freePorts(2);
    const holder = createServer().listen(port, "127.0.0.1");
    const { code, stderr } = await run(
      "--config",
      CONFIG,
      "--listen",
      `127.0.0.1:${port}`,
      "--admin-listen",
      `127.0.0.1:${admin}`,
    );
    holder.close();
    expect(code).toBe(1);
    expect(stderr).toMatch(
      new RegExp(`^gate-node: port ${port} on 127\\.0\\.0\\.1 is in use[^\\n]*--listen[^\\n]*\\n$`),
    );
  });

  it("says within five seconds that Redis is away", async () => {
    const [port] = await freePorts(1);
    const keys = ["--keys", CONFIG, "--manifest", CONFIG, "--root", CONFIG];
    const unreadable = await run(
      "--config",
      CONFIG,
      "--store",
      `redis://127.0.0.1:${port}`,
      "--fanout",
      "127.0.0.1:1",
      ...keys,
    );
    expect(unreadable.stderr).toContain("keys: cannot read");
    const shared = await sharedKeyFiles();
    const { code, stderr, ms } = await run(
      "--config",
      CONFIG,
      "--store",
      `redis://127.0.0.1:${port}`,
      "--fanout",
      "127.0.0.1:1",
      ...shared,
    );
    expect(code).toBe(1);
    expect(stderr).toContain(`127.0.0.1:${port}`);
    expect(stderr.trim().split("\n")).toHaveLength(1);
    // Less what any start takes on a busy machine.
    expect(ms - unreadable.ms).toBeLessThan(5000);
  });

  it("refuses a shared store without keys, and strangers without authentication", async () => {
    const shared = await run("--config", CONFIG, "--store", "redis://127.0.0.1:1");
    for (const key of ["keys", "manifest", "root", "fanout"]) expect(shared.stderr).toContain(`${key}: required`);
    expect(shared.stderr).toContain("'kavach keys generate' makes it");
    const open = await run("--config", CONFIG, "--listen", "0.0.0.0:0");
    expect(open.stderr).toContain("--insecure");
  });

  it("was shown a newer manifest before, and says where it knows that from", async () => {
    const keyPair = KavachKeyPair.generate();
    const root = KavachKeyPair.generate();
    const nowMs = Date.now();
    const signed = (version: number) =>
      buildSignedManifest(root, { bundles: [keyPair.publicKeys()], version, expiresAtMs: nowMs + 600_000, nowMs });
    const manifest = file("aged-manifest", await signed(2));
    const seen = join(folder, "seen");
    const keyFlags = ["--keys", file("aged.key", keyPair.toSecretBytes()), "--manifest", manifest];
    const flags = ["--config", CONFIG, ...keyFlags, "--root", file("aged-root", bundleToBytes(root.publicKeys()))];
    {
      await using node = await startGateProcess({ args: [...flags, "--seen-version", seen] });
      expect(node.child.log).not.toContain("seen_version is not set");
    }
    writeFileSync(manifest, await signed(1));
    const older = await run(
      ...flags,
      "--seen-version",
      seen,
      "--listen",
      "127.0.0.1:0",
      "--admin-listen",
      "127.0.0.1:0",
    );
    expect([older.code, older.stderr]).toEqual([
      1,
      `gate-node: manifest: ${manifest}: a newer manifest was seen before\n`,
    ]);
  });
});

async function sharedKeyFiles(): Promise<string[]> {
  const files = await makeClusterFiles({ policiesToml: "" });
  const write = (name: "permit.key" | "manifest" | "root.pub") => file(name, files.get(name) ?? "");
  return ["--keys", write("permit.key"), "--manifest", write("manifest"), "--root", write("root.pub")];
}

describe("a running gate-node", () => {
  const refund = (amount: number) =>
    ({
      principal: { id: "agent-bot", kind: "PRINCIPAL_KIND_AGENT" },
      action: { name: "issue_refund", params: { amount } },
    }) as const;

  async function evaluate(address: string, context: unknown): Promise<{ status: number; body: Record<string, never> }> {
    const response = await fetch(`http://${address}/kavach.v1.GateService/Evaluate`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ context }),
    });
    return { status: response.status, body: (await response.json()) as Record<string, never> };
  }

  it("answers JSON with permit, refusal and field violations, and counts only decisions", async () => {
    await using node = await startGateProcess({ args: ["--config", CONFIG] });
    expect((await evaluate(node.address, refund(500))).body).toHaveProperty("permit.token");
    expect((await evaluate(node.address, refund(5000))).body).toHaveProperty(
      "refuse.code",
      "REFUSE_CODE_NO_POLICY_MATCH",
    );
    for (const bad of [
      { ...refund(1), principal: { id: "" } },
      { ...refund(1), environment: { ip: "not-an-ip" } },
      { ...refund(1), action: { name: "x", params: { deep: { a: 1 } } } },
      { ...refund(1), action: { name: "bell\u0007" } },
    ]) {
      const { status, body } = await evaluate(node.address, bad);
      expect(status).toBe(400);
      expect(body).toMatchObject({ code: "invalid_argument", details: [{ type: "google.rpc.BadRequest" }] });
    }
    const metrics = await (await fetch(`${node.adminUrl}/metrics`)).text();
    const counts = metrics.split("\n").filter((line) => line.startsWith("kavach_verdicts_total{"));
    expect(counts.map((line) => line.split(" ").at(-1))).toEqual(["1", "1"]);
  });

  it("decides batches in order and streams out of order, without ending at a bad item", async () => {
    await using node = await startGateProcess({ args: ["--config", CONFIG] });
    const channel = openChannel({ endpoints: [node.address], clock: SYSTEM_CLOCK });
    const gate = grpcServiceOf(GateService, channel);
    const item = (amount: number, id = "agent-bot") => ({
      context: {
        principal: { id, kind: 2 },
        action: { name: "issue_refund", params: { amount: { kind: { case: "numberValue", value: amount } } } },
      },
    });
    const batch = { items: [item(1), item(5000), item(2)] } as never;
    expect((await gate.evaluateBatch(batch)).items.map(({ verdict }) => verdict.case)).toEqual([
      "permit",
      "refuse",
      "permit",
    ]);
    await expect(gate.evaluateBatch({ items: [item(1), item(1, "")] } as never)).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      violations: [{ field: "items[1].context.principal.id" }],
    });
    const stream = gate.evaluateStream();
    for (const [id, request] of [
      [1n, item(1)],
      [2n, item(1, "")],
      [3n, item(5000)],
    ] as const) {
      await stream.send({ id, request } as never);
    }
    stream.end();
    const answers = new Map<bigint, unknown>();
    for await (const { id, result } of stream)
      answers.set(id, result.case === "response" ? result.value.verdict.case : result.case);
    expect(answers).toEqual(
      new Map([
        [1n, "permit"],
        [2n, "error"],
        [3n, "refuse"],
      ]),
    );
    channel.close();
  });

  it("takes its policy file again when it changes, keeps the set in force over a bad one, and refuses all for an empty one", async () => {
    const permitTo = (max: number) =>
      `[[policy]]\nname = "p"\neffect = "permit"\nconditions = [{ action = "issue_refund" }, { param_max = { field = "amount", max = ${max} } }]\n`;
    const policies = file("changing.toml", permitTo(1000));
    await using node = await startGateProcess({ args: ["--policies", policies] });
    const answer = async () => Object.keys((await evaluate(node.address, refund(5000))).body)[0] ?? "";
    expect(await answer()).toBe("refuse");
    file("changing.toml", permitTo(9000));
    await awaitCondition(async () => (await answer()) === "permit", { what: "the new set" });
    file("changing.toml", permitTo(1000).slice(0, -10));
    await awaitCondition(() => node.child.log.includes("policy file not taken"), { what: "the report" });
    expect(await answer()).toBe("permit");
    file("changing.toml", "");
    await awaitCondition(async () => (await answer()) === "refuse", { what: "the kill switch" });
  });

  it("drains and exits with 0 on SIGTERM", async () => {
    await using node = await startGateProcess({ args: ["--config", CONFIG] });
    expect(await node.child.end("SIGTERM")).toBe(0);
    await awaitCondition(() => node.child.log.includes("stopped"), { what: "last words" });
  });
});
