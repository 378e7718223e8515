/** Runs Vitest once and counts: what failed, what was skipped, what never ran. Only what was shown to pass counts as passed. */
import { startVitest, type TestModule, type TestSuite, type Vitest } from "vitest/node";
import type { Tally } from "./check.ts";

export interface VitestTally extends Tally {
  /** One line for each failure that Vitest's own report does not count as a failed test. */
  readonly complaints: readonly string[];
}

/**
 * `files` are absolute paths that have to run, found without Vitest's patterns: so a pattern that is too narrow, or a
 * file that two projects leave to each other, is a failure.
 */
export async function runVitest(root: string, files: readonly string[]): Promise<VitestTally> {
  const vitest = await startVitest([], { run: true, watch: false, root });
  try {
    return tallyOf(vitest, files);
  } finally {
    await vitest.close();
  }
}

function tallyOf(vitest: Vitest, files: readonly string[]): VitestTally {
  const modules = vitest.state.getTestModules();
  let passed = 0;
  let failed = 0;
  const complaints: string[] = [];
  const excused = new Set<string>();
  for (const module of modules) {
    for (const test of module.children.allTests()) {
      const { state } = test.result();
      if (state === "passed") passed += 1;
      else if (state === "failed") failed += 1;
      else if (isExcused(test.fullName)) excused.add(test.fullName.split(" > ")[0] as string);
      else complaints.push(`${state}, so not shown: ${module.relativeModuleId} > ${test.fullName}`);
    }
    for (const part of [module, ...module.children.allSuites()]) complaints.push(...outsideTests(part));
    if (module.children.size === 0) complaints.push(`without a test: ${module.relativeModuleId}`);
  }
  for (const suite of excused) console.log(`not run: ${suite}`);
  for (const error of vitest.state.getUnhandledErrors()) complaints.push(`unhandled: ${messageOf(error)}`);
  const ran = new Set(modules.map((module) => module.moduleId));
  for (const path of files) if (!ran.has(path)) complaints.push(`did not run: ${path}`);
  return { passed, failed: failed + complaints.length, complaints };
}

/**
 * The vectors of Wycheproof are not part of this project. Who lacks them is told by the suite's own name how to get them;
 * CI has to have them.
 */
function isExcused(fullName: string): boolean {
  return process.env.CI !== "true" && fullName.includes("set WYCHEPROOF_DIR to ");
}

/** Failures of hooks and of the file itself, which belong to no test. */
function outsideTests(part: TestModule | TestSuite): string[] {
  const name = part.type === "module" ? part.relativeModuleId : `${part.module.relativeModuleId} > ${part.fullName}`;
  return part.errors().map((error) => `outside its tests: ${name}: ${error.message}`);
}

function messageOf(error: unknown): string {
  const { message } = error as { message?: unknown };
  return typeof message === "string" ? message : String(error);
}
