/**
 * `npm test`: prepares the machine, runs every suite, and ends with one line `N passed, N failed` over all of them.
 * A skipped test, a test file that did not run and a run without tests are failures: no suite passes by not running.
 */
import { glob } from "node:fs/promises";
import { join } from "node:path";
import { checkSteps, runSteps, type Tally } from "./check.ts";
import { prepareMachine, TEST_IMAGE, Unprepared } from "./machine.ts";
import { ROOT } from "./run.ts";
import { runVitest } from "./vitest-tally.ts";

const TESTS = "{packages,services,test,tools,examples,deploy}/**/*.{test,prop}.ts";

async function testFiles(): Promise<string[]> {
  const exclude = (name: string) => name === "node_modules" || name === "dist";
  return (await Array.fromAsync(glob(TESTS, { cwd: ROOT, exclude }))).map((path) => join(ROOT, path));
}

async function main(): Promise<Tally> {
  if (process.argv.length > 2) throw new Unprepared("takes no arguments; one suite alone: npx vitest run PATH");
  process.env.KAVACH_TEST_BACKEND = await prepareMachine(process.env);
  process.env.KAVACH_TEST_IMAGE = TEST_IMAGE;
  const checks = await runSteps(await checkSteps());
  const tests = await runVitest(ROOT, await testFiles());
  for (const complaint of tests.complaints) console.log(`FAILED ${complaint}`);
  return { passed: checks.passed + tests.passed, failed: checks.failed + tests.failed };
}

let tally: Tally;
try {
  tally = await main();
} catch (error) {
  console.error(error instanceof Unprepared ? `npm test: ${error.message}` : error);
  tally = { passed: 0, failed: 1 };
}
// Nothing is written after this line, and nothing that still hangs keeps the process.
console.log(`${tally.passed} passed, ${tally.failed} failed`);
process.exit(tally.failed === 0 && tally.passed > 0 ? 0 : 1);
