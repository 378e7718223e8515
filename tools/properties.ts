/**
 * Runs the property suites with a number of cases and a seed of one's own: `pnpm properties --runs 1000000 --seed 42`.
 * Without arguments it does what `npm test` does: 100,000 cases from a fresh seed, which it prints.
 */
import { parseArgs } from "node:util";
import { run } from "./run.ts";

const { values } = parseArgs({ options: { runs: { type: "string" }, seed: { type: "string" } } });
const env = {
  ...process.env,
  ...(values.runs !== undefined && { KAVACH_PROPERTY_CASES: values.runs }),
  ...(values.seed !== undefined && { KAVACH_PROPERTY_SEED: values.seed }),
};
process.exitCode = await run("vitest", ["run", "test/properties"], { env });
