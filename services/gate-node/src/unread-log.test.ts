/** A node whose log nobody reads any more: it starts, decides, and stops when it is told to. */
import { execFileSync, spawn } from "node:child_process";
import { closeSync, constants, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { awaitCondition, freePorts, REPO } from "@kavach/testkit";
import { afterEach, beforeEach, expect, it } from "vitest";

const MAIN = join(REPO, "services/gate-node/src/main.ts");
const { O_RDONLY, O_WRONLY, O_NONBLOCK } = constants;
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "kavach-unread-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Both ends of a pipe. */
function pipe(): { readonly reader: number; readonly writer: number } {
  const path = join(folder, "pipe");
  execFileSync("mkfifo", [path]);
  const reader = openSync(path, O_RDONLY | O_NONBLOCK);
  return { reader, writer: openSync(path, O_WRONLY) };
}

/** Until it takes not a byte more. */
function fill(): void {
  const writer = openSync(join(folder, "pipe"), O_WRONLY | O_NONBLOCK);
  for (const chunk of [Buffer.alloc(4096), Buffer.alloc(1)]) {
    try {
      for (;;) writeSync(writer, chunk);
    } catch (error) {
      expect(error).toMatchObject({ code: "EAGAIN" });
    }
  }
  closeSync(writer);
}

it.each([
  ["was closed", (reader: number) => closeSync(reader)],
  ["is full", () => fill()],
])("starts, decides and stops on SIGTERM when the pipe of its output %s", async (_, spoil) => {
  const { reader, writer } = pipe();
  spoil(reader);
  const [port, adminPort] = await freePorts(2);
  const policies = join(folder, "policies.toml");
  writeFileSync(policies, '[[policy]]\nname = "p"\neffect = "permit"\nconditions = [{ action = "issue_refund" }]\n');
  const addresses = ["--listen", `127.0.0.1:${port}`, "--admin-listen", `127.0.0.1:${adminPort}`];
  const args = [MAIN, "--policies", policies, "--audit-dir", join(folder, "audit"), ...addresses];
  const child = spawn(process.execPath, args, { stdio: ["ignore", writer, writer] });
  const ended = new Promise((resolve) => child.once("exit", (code, signal) => resolve(code ?? signal)));
  try {
    const isReady = async () => (await fetch(`http://127.0.0.1:${adminPort}/readyz`)).ok;
    await awaitCondition(isReady, { what: "the node is ready", hopeless: () => gone(child) });
    const decide = async () => {
      const response = await fetch(`http://127.0.0.1:${port}/kavach.v1.GateService/Evaluate`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: '{"context":{"principal":{"id":"a","kind":"PRINCIPAL_KIND_AGENT"},"action":{"name":"issue_refund"}}}',
      });
      return Object.keys((await response.json()) as object);
    };
    expect(await decide()).toContain("permit");
    // More to say, to nobody, and the change counts all the same.
    writeFileSync(policies, "");
    await awaitCondition(async () => (await decide()).includes("refuse"), { what: "the kill switch" });
    child.kill("SIGTERM");
    expect(await ended).toBe(0);
  } finally {
    child.kill("SIGKILL");
    await ended;
    closeSync(writer);
  }
});

function gone({ exitCode, signalCode }: ReturnType<typeof spawn>): string | undefined {
  return exitCode === null && signalCode === null ? undefined : `it ended: ${exitCode ?? signalCode}`;
}
