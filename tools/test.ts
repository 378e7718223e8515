/**
 * `npm test`: prepares the machine, runs every suite, and ends with one line `N passed, N failed` over all of them.
 * A skipped test, a test file that did not run and a run without tests are failures: no suite passes by not running.
 */
import { glob } from "node:fs/promises";
import { join } from "node:path";
import { startVitest, type TestModule, type TestSuite, type Vitest } from "vitest/node";
import { checkSteps, runSteps, type Tally } from "./check.ts";
import { prepareMachine, TEST_IMAGE, Unprepared } from "./machine.ts";
import { ROOT } from "./run.ts";

interface VitestTally extends Tally {
  /** One line for each failure that Vitest's own report does not name. */
  readonly complaints: readonly string[];
}

async function runVitest(): Promise<VitestTally> {
  const vitest = await startVitest([], { run: true, watch: false, root: ROOT });
  try {
    return await tallyOf(vitest);
  } finally {
    await vitest.close();
  }
}

async function tallyOf(vitest: Vitest): Promise<VitestTally> {
  const modules = vitest.state.getTestModules();
  let passed = 0;
  let failed = 0;
  const complaints: string[] = [];
  for (const module of modules) {
    for (const test of module.children.allTests()) {
      const { state } = test.result();
      if (state === "passed") passed += 1;
      else if (state === "failed") failed += 1;
      else complaints.push(`${state}, so not shown: ${module.relativeModuleId} > ${test.fullName}`);
    }
    for (const part of [module, ...module.children.allSuites()]) complaints.push(...outsideTests(part));
    if (module.children.size === 0) complaints.push(`without a test: ${module.relativeModuleId}`);
  }
  for (const error of vitest.state.getUnhandledErrors()) complaints.push(`unhandled: ${String(error)}`);
  const ran = new Set(modules.map((module) => module.moduleId));
  for (const path of await testFiles()) if (!ran.has(path)) complaints.push(`did not run: ${path.slice(ROOT.length)}`);
  return { passed, failed: failed + complaints.length, complaints };
}

/** Failures of hooks and of the file itself, which belong to no test. */
function outsideTests(part: TestModule | TestSuite): string[] {
  const name = part.type === "module" ? part.relativeModuleId : `${part.module.relativeModuleId} > ${part.fullName}`;
  return part.errors().map((error) => `outside its tests: ${name}: ${error.message}`);
}

/** Found by name and not by Vitest's own patterns, so that a pattern that is too narrow shows. */
async function testFiles(): Promise<string[]> {
  const found: string[] = [];
  const inside = "{packages,services,test,tools,examples,deploy}/**/*.{test,prop}.ts";
  for await (const path of glob(inside, { cwd: ROOT, exclude: (name) => name === "node_modules" || name === "dist" })) {
    found.push(join(ROOT, path));
  }
  return found;
}

async function main(): Promise<Tally> {
  if (process.argv.length > 2) throw new Unprepared("npm test takes no arguments; one suite: pnpm vitest run PATH");
  const backend = await prepareMachine(process.env);
  process.env.KAVACH_TEST_BACKEND = backend;
  process.env.KAVACH_TEST_IMAGE = TEST_IMAGE;

  const checks = await runSteps(await checkSteps());
  const tests = await runVitest();
  for (const complaint of tests.complaints) console.log(`FAILED ${complaint}`);
  if (tests.passed + tests.failed === 0) return { passed: checks.passed, failed: checks.failed + 1 };
  return { passed: checks.passed + tests.passed, failed: checks.failed + tests.failed };
}

let tally: Tally;
try {
  tally = await main();
} catch (error) {
  console.error(error instanceof Unprepared ? `npm test: ${error.message}` : error);
  tally = { passed: 0, failed: 1 };
}
// Written synchronously and followed by nothing, so that it is the last line whatever still hangs.
console.log(`${tally.passed} passed, ${tally.failed} failed`);
process.exit(tally.failed === 0 && tally.passed > 0 ? 0 : 1);
