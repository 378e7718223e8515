/**
 * HalfSipHash-1-3 with 32 bits (Aumasson and Bernstein's SipHash on words of 32 bits): spreads keys over a hash table so that who chooses
 * the keys cannot make them meet. It is no digest: what must be equal is compared byte by byte.
 */

/** Eight bytes that nobody else knows, as two words. */
export interface HashKey {
  readonly low: number;
  readonly high: number;
}

/** Rounds for each word, and at the end. */
export interface Rounds {
  readonly word: number;
  readonly end: number;
}

const FAST: Rounds = Object.freeze({ word: 1, end: 3 });

/** Of the first `length` bytes, as an unsigned number of 32 bits. `words` and `bytes` are views of the same memory, little-endian. */
export function halfSipHash(
  { low, high }: HashKey,
  words: Uint32Array,
  bytes: Uint8Array,
  length: number,
  rounds: Rounds = FAST,
): number {
  let v0 = low | 0;
  let v1 = high | 0;
  let v2 = 0x6c796765 ^ low;
  let v3 = 0x74656462 ^ high;
  const full = length >>> 2;
  let last = length << 24;
  for (let at = full << 2; at < length; at++) last |= (bytes[at] as number) << ((at & 3) << 3);
  for (let at = 0; at <= full + 1; at++) {
    // After the words comes the rest with the length, and then the end.
    const ends = at > full;
    const word = ends ? 0 : at === full ? last : (words[at] as number);
    if (ends) v2 ^= 0xff;
    v3 ^= word;
    for (let left = ends ? rounds.end : rounds.word; left > 0; left--) {
      v0 = (v0 + v1) | 0;
      v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
      v0 = (v0 << 16) | (v0 >>> 16);
      v2 = (v2 + v3) | 0;
      v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
      v0 = (v0 + v3) | 0;
      v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
      v2 = (v2 + v1) | 0;
      v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
      v2 = (v2 << 16) | (v2 >>> 16);
    }
    v0 ^= word;
  }
  return (v1 ^ v3) >>> 0;
}
