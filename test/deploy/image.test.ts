/** What is built for production, run as production runs it: the image where there is Docker, else the same bundles by the same script. */
import { chmod, copyFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { awaitCondition, backendFromEnvironment, Child, freePorts, imageFromEnvironment, REPO } from "@kavach/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { execute } from "./chart.ts";

const BACKEND = backendFromEnvironment();
const POLICIES = join(REPO, "examples/policies/refunds.toml");
/** Of the image, in 10^6 bytes, as `docker images` counts. */
const IMAGE_MEGABYTES_MAX = 200;

let bundles: string;

beforeAll(async () => {
  bundles = await mkdtemp(join(tmpdir(), "kavach-bundles-"));
  if (BACKEND === "containers") return;
  const built = await execute(process.execPath, [join(REPO, "tools/build.ts"), "--bundle", "--out", bundles]);
  expect(built.code, built.output).toBe(0);
  // The image's own script, with the one path in it that is not the machine's.
  await copyFile(join(REPO, "deploy/docker/entrypoint.sh"), join(bundles, "kavach"));
  await execute("sed", ["-i", `s#"/app/#"${bundles}/#`, join(bundles, "kavach")]);
  await chmod(join(bundles, "kavach"), 0o755);
});

afterAll(() => rm(bundles, { recursive: true, force: true }));

/** A service with everything taken away that it should not need: root, capabilities, a writable file system. */
function service(name: string, words: readonly string[]): Child {
  if (BACKEND === "processes") return new Child({ name, command: join(bundles, "kavach"), args: words });
  const bare = ["--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--network=host"];
  const mounts = ["--volume", `${POLICIES}:${POLICIES}:ro`];
  const args = ["run", "--rm", "--init", ...bare, ...mounts, imageFromEnvironment(), ...words];
  return new Child({ name, command: "docker", args });
}

async function answers(url: string, child: Child): Promise<void> {
  await awaitCondition(async () => (await fetch(url)).ok, {
    what: `${url} answers`,
    hopeless: () => (child.isRunning ? undefined : "it ended"),
    detail: () => child.log,
  });
}

describe(`the build, on ${BACKEND}`, () => {
  it.each([
    ["gate-node", ["--policies", POLICIES]],
    ["fanout", ["--log", "memory"]],
  ])("starts %s, is ready, and ends with 0 on SIGTERM", async (name, flags) => {
    const [port, adminPort] = await freePorts(2);
    const listen = ["--listen", `127.0.0.1:${port}`, "--admin-listen", `127.0.0.1:${adminPort}`];
    const child = service(name, [name, ...listen, ...flags]);
    child.start();
    try {
      await answers(`http://127.0.0.1:${adminPort}/readyz`, child);
      expect((await fetch(`http://127.0.0.1:${adminPort}/livez`)).status).toBe(200);
      expect(await child.end("SIGTERM"), child.log).toBe(0);
    } finally {
      await child.end("SIGKILL");
    }
  });

  it("decides: the first request of the README is permitted", async () => {
    const [port, adminPort] = await freePorts(2);
    const listen = ["--listen", `127.0.0.1:${port}`, "--admin-listen", `127.0.0.1:${adminPort}`];
    const child = service("gate-node", ["gate-node", ...listen, "--policies", POLICIES]);
    child.start();
    try {
      await answers(`http://127.0.0.1:${adminPort}/readyz`, child);
      const answer = await fetch(`http://127.0.0.1:${port}/kavach.v1.GateService/Evaluate`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({
          context: {
            principal: { id: "agent-1", kind: "PRINCIPAL_KIND_AGENT" },
            action: { name: "issue_refund", params: { amount: 500 } },
          },
        }),
      });
      const body = (await answer.json()) as { permit?: { token?: string } };
      expect(body.permit?.token, JSON.stringify(body)).toMatch(/^[A-Za-z0-9+/]{100,}/);
    } finally {
      await child.end("SIGTERM");
    }
  });

  it.each([
    ["no service", []],
    ["an unknown service", ["gate"]],
    ["a shell", ["sh", "-c", "true"]],
  ])("refuses %s with the two it has", async (_, words) => {
    const child = service("kavach", words);
    child.start();
    await awaitCondition(() => !child.isRunning, { what: "it ends" });
    expect(child.log).toContain("usage: gate-node [flags] | fanout [flags]");
  });

  it("carries the licences of what it contains", async () => {
    const path = "THIRD-PARTY-LICENSES.txt";
    const { output } =
      BACKEND === "processes"
        ? await execute("cat", [join(bundles, path)])
        : await execute("docker", ["run", "--rm", "--entrypoint", "cat", imageFromEnvironment(), `/app/${path}`]);
    for (const name of ["ioredis", "commander", "@connectrpc/connect", "pino"]) expect(output).toContain(`${name} `);
  });

  it("keeps to its size, and to a user who is not root", async () => {
    if (BACKEND === "processes") {
      const { output } = await execute("du", ["--summarize", "--bytes", bundles]);
      // Beside the runtime and the base, the image holds nothing but this.
      expect(Number(output.split("\t")[0])).toBeLessThan(15_000_000);
      return;
    }
    const format = "{{.Size}} {{.Config.User}} {{.Config.StopSignal}}";
    const { output } = await execute("docker", ["image", "inspect", "--format", format, imageFromEnvironment()]);
    const [size, user, signal] = output.trim().split(" ");
    expect(Number(size) / 1e6).toBeLessThanOrEqual(IMAGE_MEGABYTES_MAX);
    expect([user, signal]).toEqual(["1000:1000", "SIGTERM"]);
  });
});
