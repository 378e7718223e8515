/** Breaks inputs: bytes and tokens of known good ones, flipped, cut, doubled and spliced, all drawn from one seed. */

/** Mulberry32: small, quick, and the same on every machine. */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** A whole number from 0, below `bound`. */
  below(bound: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 4_294_967_296) * bound);
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }
}

type Bytes = Uint8Array<ArrayBuffer>;
type Mutation = (input: Bytes, dice: Dice, corpus: readonly Bytes[], tokens: readonly Bytes[]) => Bytes;

/** One byte more than any limit of one field. */
const SIZE_MAX = 128 * 1024;

const MUTATIONS: readonly Mutation[] = [
  (input, dice) => changed(input, dice.below(input.length), (byte) => byte ^ (1 << dice.below(8))),
  (input, dice) => changed(input, dice.below(input.length), () => dice.below(256)),
  (input, dice) => changed(input, dice.below(input.length), () => dice.pick([0, 0x7f, 0x80, 0xff])),
  (input, dice) => input.slice(0, dice.below(input.length + 1)),
  (input, dice) => spliced(input, dice, 1 + dice.below(8), new Uint8Array(0)),
  (input, dice) => spliced(input, dice, 0, Uint8Array.of(dice.below(256))),
  (input, dice, _corpus, tokens) => spliced(input, dice, dice.below(4), dice.pick(tokens)),
  (input, dice, corpus) => spliced(input, dice, dice.below(16), part(dice.pick(corpus), dice)),
  (input, dice) => spliced(input, dice, 0, part(input, dice)),
  (input, dice) => spliced(input, dice, 0, repeated(part(input, dice), 1 + dice.below(64))),
];

/** One to six mutations of one of the corpus. */
export function mutated(dice: Dice, corpus: readonly Bytes[], tokens: readonly Bytes[]): Bytes {
  let input = dice.pick(corpus);
  for (let left = 1 + dice.below(6); left > 0; left--) input = dice.pick(MUTATIONS)(input, dice, corpus, tokens);
  return input.length > SIZE_MAX ? input.slice(0, SIZE_MAX) : input;
}

function changed(input: Bytes, at: number, change: (byte: number) => number): Bytes {
  const copy = input.slice();
  if (at < copy.length) copy[at] = change(copy[at] ?? 0);
  return copy;
}

function spliced(input: Bytes, dice: Dice, remove: number, insert: Bytes): Bytes {
  const at = dice.below(input.length + 1);
  const tail = input.subarray(Math.min(input.length, at + remove));
  const made = new Uint8Array(at + insert.length + tail.length);
  made.set(input.subarray(0, at));
  made.set(insert, at);
  made.set(tail, at + insert.length);
  return made;
}

function part(input: Bytes, dice: Dice): Bytes {
  const from = dice.below(input.length + 1);
  return input.slice(from, from + dice.below(64));
}

function repeated(input: Bytes, times: number): Bytes {
  const made = new Uint8Array(input.length * times);
  for (let i = 0; i < times; i++) made.set(input, i * input.length);
  return made;
}
