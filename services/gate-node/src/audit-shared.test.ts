/** The audit logs of nodes that share a store: every verdict is in them, and what vanishes or goes back is missed. */
import { execFile } from "node:child_process";
import { cp, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { GateService } from "@kavach/api";
import { originFoldersIn } from "@kavach/audit";
import { grpcServiceOf, openChannel } from "@kavach/client";
import { bundleToBytes, KavachKeyPair } from "@kavach/crypto";
import { RedisOriginRegistry } from "@kavach/store-redis";
import { SYSTEM_CLOCK } from "@kavach/system";
import { awaitCondition, type Cluster, type GateProcess, REPO, startCluster, startGateProcess } from "@kavach/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { auditLines, entriesOf } from "./audit-fixture.ts";

const POLICIES = `
[[policy]]
name = "refunds"
effect = "permit"
conditions = [{ action = "issue_refund" }]

[[policy]]
name = "two_reports"
effect = "permit"
conditions = [{ action = "fetch_report" }, { rate_limit = { max = 2, window = "1h" } }]
`;

let folder: string;
let cluster: Cluster;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "kavach-audit-shared-"));
  cluster = await startCluster({ gateNodes: 1, fanouts: 1, policiesToml: POLICIES, backend: "processes" });
  for (const [name, content] of cluster.files) await writeFile(join(folder, name), content);
  const keyPair = KavachKeyPair.generate();
  await keyPair.saveToFile(join(folder, "audit.key"));
  await writeFile(join(folder, "audit.pub"), bundleToBytes(keyPair.publicKeys()));
}, 60_000);
afterAll(async () => {
  await cluster[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

const at = (name: string) => join(folder, name);
const flagsOf = (name: string) => [
  ...["--policies", at("policies.toml"), "--keys", at("permit.key"), "--manifest", at("manifest")],
  ...["--root", at("root.pub"), "--store", cluster.redisUrl, "--fanout", cluster.fanouts[0]?.address ?? ""],
  ...["--node-id", name, "--audit-dir", at(name), "--audit-key", at("audit.key"), "--audit-mode", "required"],
  // A machine that runs other suites beside this one may not answer within the default.
  ...["--store-timeout-ms", "1000"],
];
const open = (name: string, flags: readonly string[] = [], more: { under?: readonly string[] } = {}) =>
  startGateProcess({ args: [...flagsOf(name), ...flags], ...more });

interface Asked {
  readonly name?: string;
  readonly ip?: string;
}
const request = (principal: string, { name = "issue_refund", ip = "10.0.0.1" }: Asked = {}) => ({
  context: {
    principal: { id: principal, kind: 2 },
    action: { name },
    session: { sessionId: `s-${principal}`, originIp: "10.0.0.1" },
    environment: { ip },
  },
});

async function withGate<T>(
  { address }: GateProcess,
  use: (gate: ReturnType<typeof grpcServiceOf<typeof GateService>>) => Promise<T>,
): Promise<T> {
  const channel = openChannel({ endpoints: [address], clock: SYSTEM_CLOCK });
  try {
    return await use(grpcServiceOf(GateService, channel));
  } finally {
    channel.close();
  }
}

type Said = readonly [evaluationId: string, returned: string | undefined];

/** What was answered to every way of asking, unary, batch and stream: permits, refusals of policy and limit, invalidations. */
async function askEverything(node: GateProcess, who: string): Promise<Said[]> {
  const report = { name: "fetch_report" };
  return await withGate(node, async (gate) => {
    const said: Said[] = [];
    const one = (answer: { evaluationId: string; verdict: { case?: string | undefined } }) =>
      said.push([answer.evaluationId, answer.verdict.case]);
    const asked = [request(who), request(who, report), request(who, { name: "nothing" })];
    for (const item of asked) one(await gate.evaluate(item as never));
    const batch = [request(who, report), request(who, report), request(`${who}-moved`, { ip: "10.9.9.9" })];
    for (const answer of (await gate.evaluateBatch({ items: batch } as never)).items) one(answer);
    const stream = gate.evaluateStream();
    for (const [i, item] of [request(who), request(""), request(`${who}-away`, { ip: "10.9.9.9" })].entries()) {
      await stream.send({ id: BigInt(i), request: item } as never);
    }
    stream.end();
    for await (const { result } of stream) if (result.case === "response") one(result.value);
    return said;
  });
}

function verify(...args: string[]): Promise<{ code: number; output: string }> {
  const main = join(REPO, "packages/cli/src/main.ts");
  const given = ["audit", "verify", "--key", at("audit.pub"), "--store", cluster.redisUrl, ...args];
  return new Promise((resolve) => {
    execFile(process.execPath, [main, ...given], (error, output) =>
      resolve({ code: Number(error?.code ?? 0), output }),
    );
  });
}

async function reasonOf(node: GateProcess): Promise<string | undefined> {
  return await withGate(node, async (gate) => {
    const { verdict } = await gate.evaluate(request("late") as never);
    return verdict.case === "refuse" ? verdict.value.reason : undefined;
  });
}

describe("a node with a shared store and a required audit log", () => {
  it("has written every verdict, however it was asked for, when it answers", async () => {
    await using node = await open("every");
    const said = await askEverything(node, "every-bot");
    const written = await auditLines(at("every"));
    expect(said.map(([, returned]) => returned).toSorted()).toEqual(
      ["invalidate", "invalidate", "permit", "permit", "permit", "permit", "refuse", "refuse"].toSorted(),
    );
    const lines = new Map(written.map(({ evaluation_id, returned }) => [evaluation_id, returned]));
    expect(written).toHaveLength(said.length);
    expect(lines).toEqual(new Map(said));
    const digests = new Set(written.map(({ policy_digest }) => policy_digest));
    expect([...digests]).toEqual([expect.stringMatching(/^[0-9a-f]{64}$/)]);
  });

  it("writes the true verdict beside the one that was returned where it only observes", async () => {
    await using node = await open("observing", ["--observe-only"]);
    const said = await askEverything(node, "observed-bot");
    expect(new Set(said.map(([, returned]) => returned))).toEqual(new Set(["permit"]));
    const written = await auditLines(at("observing"));
    expect(new Set(written.map(({ returned }) => returned))).toEqual(new Set(["permit"]));
    const found = written.map(({ found: { kind } }) => kind as string).toSorted();
    expect(found).toEqual(["invalidate", "invalidate", "permit", "permit", "permit", "permit", "refuse", "refuse"]);
  });

  it("refuses when its log was taken away, and when the disk takes no more", async () => {
    await using robbed = await open("robbed");
    expect(await reasonOf(robbed)).toBeUndefined();
    await rm(at("robbed"), { recursive: true });
    expect(await reasonOf(robbed)).toBe("audit unavailable");
    // Files of 16 KiB at the most: some entries, and then the kernel refuses the write.
    await using full = await open("full", [], { under: ["sh", "-c", 'ulimit -f 32; exec "$@"', "sh"] });
    expect(await reasonOf(full)).toBeUndefined();
    const reason = await awaitCondition(() => reasonOf(full), { what: "the refusal", everyMs: 0 });
    expect(reason).toBe("audit unavailable");
    expect(full.child.log).toContain("audit write failed");
    // A node that has to record nothing goes on.
    await using lenient = await open("lenient", ["--audit-mode", "best_effort"]);
    await rm(at("lenient"), { recursive: true });
    expect(await reasonOf(lenient)).toBeUndefined();
  });

  it("does not start where it cannot write, or where another node writes", async () => {
    await using node = await open("one");
    const another = open("two", ["--audit-dir", at("one")]);
    await expect(another).rejects.toThrow(`audit_dir: ${at("one")}: another process writes this log`);
    await expect(open("three", ["--audit-dir", at("policies.toml")])).rejects.toThrow("audit_dir: ");
    expect(await reasonOf(node)).toBeUndefined();
  });

  it("lists its log in the store; verification starts from that list and misses a log that vanished", async () => {
    for (const name of ["listed-1", "listed-2"]) {
      await using node = await open(name);
      await askEverything(node, `${name}-bot`);
      expect(await node.child.end("SIGTERM")).toBe(0);
    }
    const registry = await RedisOriginRegistry.fromUrl(cluster.redisUrl);
    const sizes = (await registry.list()).flatMap(({ origin, size }) => (origin.includes("/listed-") ? [size] : []));
    await registry.close();
    expect(sizes).toEqual([8, 8]);
    const dirs = ["--dir", at("listed-1"), at("listed-2")];
    const listed = (output: string) => output.split("\n").filter((line) => line.includes("kavach/listed-"));
    expect(listed((await verify(...dirs)).output)).toEqual([
      expect.stringMatching(/^ok +kavach\/listed-[12]\/.*: 8 entries proven/),
      expect.stringMatching(/^ok +kavach\/listed-[12]\/.*: 8 entries proven/),
    ]);
    const [origin = ""] = await originFoldersIn(at("listed-1"));
    await rename(origin, at("aside"));
    const { code, output } = await verify(...dirs);
    expect(code).toBe(1);
    expect(listed(output).toSorted()).toEqual([
      expect.stringMatching(/^FAILED +kavach\/listed-1\/.*: LOG_MISSING/),
      expect.stringMatching(/^ok +kavach\/listed-2\//),
    ]);
  });

  it("begins another log when its own went back behind what the store knows, and says so", async () => {
    const ask = async (after: () => Promise<void>) => {
      await using node = await open("back");
      await askEverything(node, "back-bot");
      expect(await node.child.end("SIGTERM")).toBe(0);
      await after();
      return node.child.log;
    };
    await ask(() => cp(at("back"), at("copy"), { recursive: true }));
    // Continued, and then set back to the copy, which holds together in itself.
    expect(await ask(() => rm(at("back"), { recursive: true }))).not.toContain("not continued");
    await cp(at("copy"), at("back"), { recursive: true });
    const [before = ""] = await originFoldersIn(at("back"));
    const log = await ask(async () => {});
    expect(log).toMatch(/audit log kavach\/back\/\S+ is TRUNCATED and not continued; kavach\/back\/\S+ was begun/);
    const folders = await originFoldersIn(at("back"));
    const [after = ""] = folders.filter((one) => one !== before);
    expect([folders.length, (await entriesOf(before)).length, (await entriesOf(after)).length]).toEqual([2, 8, 8]);
    const { code, output } = await verify("--dir", at("back"));
    expect(code).toBe(1);
    const told = output.split("\n").filter((line) => line.includes("kavach/back/"));
    expect(told.toSorted()).toEqual([expect.stringMatching(/^FAILED .*: TRUNCATED/), expect.stringMatching(/^ok /)]);
  });
});
