/** Did you mean: the nearest known word, when it is near enough to be a slip of the hand. */
import { distance } from "fastest-levenshtein";

/** Longer words are no slip of a known one, and their distance costs the product of both lengths. */
const WORD_LENGTH_MAX = 64;
/** Of the letters; two swapped letters of five still count as a slip. */
const SLIP_SHARE = 0.4;

export function suggest(word: string, known: readonly string[]): string | undefined {
  if (word.length > WORD_LENGTH_MAX) return undefined;
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(word.length * SLIP_SHARE)) + 1;
  for (const candidate of known) {
    const steps = distance(word.toLowerCase(), candidate.toLowerCase());
    if (steps < bestDistance) {
      best = candidate;
      bestDistance = steps;
    }
  }
  return best;
}
