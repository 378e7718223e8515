import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { ROOT } from "./run.ts";
import type { VitestTally } from "./vitest-tally.ts";

const IMPORT = 'import { beforeAll, describe, expect, it } from "vitest";\n';
const PASSES = 'it("passes", () => { expect(1).toBe(1); });\n';

/** Runs the tally over a made-up suite in a process of its own, since Vitest does not run inside Vitest. */
async function tallyOf(
  files: Readonly<Record<string, string>>,
  include = "*.test.ts",
  env: NodeJS.ProcessEnv = {},
): Promise<VitestTally> {
  // Inside the repo, so that the suite finds its runner.
  await mkdir(join(ROOT, ".cache"), { recursive: true });
  const folder = await mkdtemp(join(ROOT, ".cache/tally-"));
  try {
    await writeFile(join(folder, "vitest.config.ts"), `export default { test: { include: ["${include}"] } };\n`);
    for (const [name, body] of Object.entries(files)) await writeFile(join(folder, name), IMPORT + body);
    const paths = Object.keys(files).map((name) => join(folder, name));
    const code = `
      import { runVitest } from ${JSON.stringify(join(ROOT, "tools/vitest-tally.ts"))};
      const tally = await runVitest(${JSON.stringify(folder)}, ${JSON.stringify(paths)});
      process.stdout.write("\\nTALLY " + JSON.stringify(tally) + "\\n", () => process.exit(0));`;
    const output = await new Promise<string>((resolve) => {
      const args = ["--input-type=module", "--eval", code];
      execFile(process.execPath, args, { cwd: folder, env: { ...cleanEnvironment(), ...env } }, (_, stdout, stderr) =>
        resolve(stdout + stderr),
      );
    });
    const line = output.split("\n").find((text) => text.startsWith("TALLY "));
    if (line === undefined) throw new Error(output);
    return JSON.parse(line.slice("TALLY ".length)) as VitestTally;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Without what the runner around this test has set for its own workers. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(VITE|VITEST|TEST|NODE_ENV|CI$)/.test(name)),
  );
}

it("counts what passes and what fails", async () => {
  const tally = await tallyOf({
    "a.test.ts": `${PASSES}it("fails", () => { expect(1).toBe(2); });`,
    "b.test.ts": `describe.each([1, 2])("%i", () => { ${PASSES} });`,
  });
  expect(tally).toEqual({ passed: 3, failed: 1, complaints: [] });
});

it("excuses the lack of vectors that are not ours, but not in CI", async () => {
  const files = {
    "a.test.ts": `${PASSES}describe.skip("Wycheproof (set WYCHEPROOF_DIR to x)", () => { it("v", () => {}); });`,
  };
  expect(await tallyOf(files, "*.test.ts", {})).toEqual({ passed: 1, failed: 0, complaints: [] });
  expect(await tallyOf(files, "*.test.ts", { CI: "true" })).toMatchObject({ passed: 1, failed: 1 });
});

it.each([
  [
    "a skipped test",
    { "a.test.ts": `${PASSES}it.skip("later", () => {});` },
    "skipped, so not shown: a.test.ts > later",
  ],
  ["a test left to do", { "a.test.ts": `${PASSES}it.todo("later");` }, "skipped, so not shown: a.test.ts > later"],
  [
    "a narrowed suite",
    { "a.test.ts": `${PASSES}it.only("this", () => {});` },
    "skipped, so not shown: a.test.ts > passes",
  ],
  ["a file without a test", { "a.test.ts": PASSES, "b.test.ts": "" }, "without a test: b.test.ts"],
  [
    "a file that does not load",
    { "a.test.ts": PASSES, "b.test.ts": 'import "./none.ts";' },
    "outside its tests: b.test.ts",
  ],
  [
    "a hook that fails",
    { "a.test.ts": `beforeAll(() => { throw new Error("no"); });${PASSES}` },
    "skipped, so not shown",
  ],
  ["an error nobody waits for", { "a.test.ts": `${PASSES}void Promise.reject(new Error("lost"));` }, "unhandled: lost"],
  ["a file no pattern takes", { "a.test.ts": PASSES, "b.spec.ts": PASSES }, "did not run: "],
] as const)("takes %s for a failure", async (_, files, complaint) => {
  const tally = await tallyOf(files);
  expect(tally.complaints.join("\n")).toContain(complaint);
  expect(tally.failed).toBeGreaterThan(0);
});
