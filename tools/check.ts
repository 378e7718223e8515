/** Everything that can be judged without running the product: `pnpm check`, and the first suite of `npm test`. */

import { GENERATORS, staleOf } from "./regen.ts";
import { capture, ROOT } from "./run.ts";

export interface Step {
  readonly name: string;
  /** Resolves to what is wrong, or to nothing. */
  run(): Promise<string | undefined>;
}

/** The steps that apply now: without a released tag there is no contract yet that a change could break. */
export async function checkSteps(): Promise<Step[]> {
  const tag = await lastTag();
  return [
    command("types: tsc -b", "tsc", ["-b", "--pretty", "false"]),
    command("format and lint: biome ci", "biome", [
      "ci",
      "--colors=off",
      "--error-on-warnings",
      "--max-diagnostics=50",
      ".",
    ]),
    command("contract: buf lint", "buf", ["lint"]),
    ...(tag === undefined
      ? []
      : [command(`contract: buf breaking against ${tag}`, "buf", ["breaking", "--against", `.git#tag=${tag}`])]),
    ...GENERATORS.map((generator) => ({
      name: `generated code is up to date: ${generator.name}`,
      run: async () => {
        const stale = await staleOf(generator);
        return stale.length === 0 ? undefined : `run 'pnpm regen' and commit:\n  ${stale.join("\n  ")}`;
      },
    })),
  ];
}

export interface Tally {
  readonly passed: number;
  readonly failed: number;
}

/** Runs the steps one after another, printing one line each and the output of those that fail. */
export async function runSteps(steps: readonly Step[]): Promise<Tally> {
  let failed = 0;
  for (const step of steps) {
    const startedMs = performance.now();
    const wrong = await step.run().catch((error: unknown) => String(error));
    const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
    console.log(`${wrong === undefined ? "ok    " : "FAILED"} ${step.name} (${seconds} s)`);
    if (wrong !== undefined) {
      failed += 1;
      console.log(wrong.trimEnd());
    }
  }
  return { passed: steps.length - failed, failed };
}

function command(name: string, program: string, args: readonly string[]): Step {
  return {
    name,
    run: async () => {
      const { code, output } = await capture(program, args);
      return code === 0 ? undefined : output;
    },
  };
}

async function lastTag(): Promise<string | undefined> {
  const { code, output } = await capture("git", ["-C", ROOT, "describe", "--tags", "--abbrev=0"]);
  return code === 0 ? output.trim() : undefined;
}

if (import.meta.main) {
  const tally = await runSteps(await checkSteps());
  process.exitCode = tally.failed === 0 ? 0 : 1;
}
