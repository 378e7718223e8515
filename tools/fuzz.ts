/**
 * Runs the fuzz targets with a number of inputs and a seed of one's own: `pnpm fuzz --inputs 1000000 --seed 42`. Without a
 * number it is a million for each target, which takes some minutes; `npm test` feeds 20,000.
 */
import { parseArgs } from "node:util";
import { run } from "./run.ts";

const { values } = parseArgs({ options: { inputs: { type: "string", default: "1000000" }, seed: { type: "string" } } });
const env = {
  ...process.env,
  KAVACH_FUZZ_INPUTS: values.inputs,
  ...(values.seed !== undefined && { KAVACH_FUZZ_SEED: values.seed }),
};
process.exitCode = await run("vitest", ["run", "test/fuzz"], { env });
