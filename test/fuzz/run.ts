/**
 * Feeds broken inputs to a target, and says of the first that misbehaves how to get it again: `pnpm fuzz --seed N`.
 * `pnpm fuzz --inputs 1000000` is the long run.
 */
import { Dice, mutated } from "./mutate.ts";

const INPUTS_DEFAULT = 20_000;
/** Far above what any input takes; garbage collection and neighbours included. */
const HANG_MS = 3_000;

const inputs = setting("KAVACH_FUZZ_INPUTS") ?? INPUTS_DEFAULT;
const seed = setting("KAVACH_FUZZ_SEED") ?? (Date.now() ^ (process.pid << 12)) >>> 1;

function setting(name: string): number | undefined {
  const text = process.env[name];
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new Error(`${name} must be a whole number, is '${text}'`);
  return value;
}

export type Reached = "refused" | "accepted" | "permitted";

export interface FuzzTarget {
  readonly name: string;
  readonly corpus: readonly Uint8Array<ArrayBuffer>[];
  /** What is put in whole. */
  readonly tokens: readonly string[];
  /** An input that is broken on a higher level than its bytes; nothing where this one cannot be written. */
  readonly draw?: (dice: Dice) => Uint8Array<ArrayBuffer> | undefined;
  /** Throws where the input does what no input may do. */
  readonly take: (input: Uint8Array<ArrayBuffer>) => Reached;
}

/** How many inputs got how far. Throws at the first that crashes the target, takes too long or gets what it must not. */
export function fuzz({ name, corpus, tokens, draw, take }: FuzzTarget): Record<Reached, number> {
  const tally = { refused: 0, accepted: 0, permitted: 0 };
  const dice = new Dice(seed);
  const pieces = tokens.map((token) => new TextEncoder().encode(token));
  console.log(`fuzz ${name}: ${inputs} inputs, seed ${seed}; again: pnpm fuzz --seed ${seed} --inputs ${inputs}`);
  for (let i = 0; i < inputs; i++) {
    const drawn = i % 2 === 0 ? draw?.(dice) : undefined;
    const input = drawn ?? mutated(dice, corpus, pieces);
    const startedMs = performance.now();
    try {
      tally[take(input)]++;
    } catch (cause) {
      throw new Error(`input ${i} of seed ${seed}: ${String(cause)}: ${Buffer.from(input).toString("base64")}`, {
        cause,
      });
    }
    const ms = performance.now() - startedMs;
    if (ms > HANG_MS)
      throw new Error(`input ${i} of seed ${seed} took ${ms} ms: ${Buffer.from(input).toString("base64")}`);
  }
  console.log(`fuzz ${name}: ${JSON.stringify(tally)}`);
  return tally;
}
