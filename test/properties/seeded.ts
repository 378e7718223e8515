/**
 * How many cases the properties draw, and from which seed. A run prints its seed and the one command that replays it:
 * `pnpm properties --seed N`; `pnpm properties --runs N` draws more.
 */
import type { Parameters } from "fast-check";

/** Judged decisions of one run of the whole suite. */
const CASES_DEFAULT = 100_000;

const seed = wholeNumber("KAVACH_PROPERTY_SEED") ?? (Date.now() ^ (process.pid << 12)) >>> 1;
const cases = wholeNumber("KAVACH_PROPERTY_CASES") ?? CASES_DEFAULT;

function wholeNumber(name: string): number | undefined {
  const text = process.env[name];
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new Error(`${name} must be a whole number, is '${text}'`);
  return value;
}

/** For `fc.assert`; `casesPerRun` decisions are judged in each drawn run, `share` of all cases is drawn here. */
export function seeded<T>(what: string, casesPerRun: number, share = 1): Parameters<T> {
  const numRuns = Math.ceil((cases * share) / casesPerRun);
  console.log(
    `${what}: ${numRuns * casesPerRun} cases, seed ${seed}; again: pnpm properties --seed ${seed} --runs ${cases}`,
  );
  return { seed, numRuns };
}
