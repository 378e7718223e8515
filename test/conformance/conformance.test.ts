/** Runs the public conformance suite against the server, with the fast path and with everything through Connect. */
import { spawn } from "node:child_process";
import { access } from "node:fs/promises";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { beforeAll, expect, test } from "vitest";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const RUNNER = `${ROOT}.cache/bin/connectconformance`;

/** Fewer than the suite has now means that it was not run whole. */
const CASES_MIN = 3500;

/**
 * Cases that may fail, with the reason. The runner fails when one that is listed here passes, so the list cannot rot.
 */
const KNOWN_FAILING: readonly { readonly pattern: string; readonly why: string }[] = [];

beforeAll(async () => {
  const { code, output } = await run("sh", ["tools/go-tools.sh", "connectconformance"]);
  if (code !== 0) throw new Error(`the conformance suite is a Go program and could not be built:\n${output}`);
  await access(RUNNER);
}, 300_000);

test.for(["on", "off"])(
  "every case of the public suite passes with the fast path %s",
  { timeout: 600_000 },
  async (fastPath) => {
    const known = KNOWN_FAILING.flatMap(({ pattern }) => ["--known-failing", pattern]);
    const { code, output } = await runSuite(fastPath, known);
    const cases = Number(/Total cases: (\d+)/.exec(output)?.[1]);
    expect(cases, output).toBeGreaterThanOrEqual(CASES_MIN);
    expect(code, output).toBe(0);
    console.log(`conformance, fast path ${fastPath}: ${cases} cases; ${KNOWN_FAILING.length} known to fail`);
  },
);

function runSuite(fastPath: string, extra: readonly string[]): Promise<{ code: number; output: string }> {
  const server = [process.execPath, "test/conformance/server.ts", fastPath];
  const load = ["--max-servers", "2", "--parallel", "8"];
  return run(RUNNER, [
    "--mode",
    "server",
    "--conf",
    "test/conformance/config.yaml",
    ...load,
    ...extra,
    "--",
    ...server,
  ]);
}

async function run(command: string, args: readonly string[]): Promise<{ code: number; output: string }> {
  const child = spawn(command, args, { cwd: ROOT, stdio: ["ignore", "pipe", "pipe"] });
  const ended = new Promise<number>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve(code ?? 1));
  });
  const [code, out, err] = await Promise.all([ended, text(child.stdout), text(child.stderr)]);
  return { code, output: out + err };
}
