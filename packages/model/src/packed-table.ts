/**
 * A hash table of packed texts, with a few numbers for each, in little memory: a million keys of two ids take some 55 MB, where a Map
 * takes 200. It never forgets. It is made of many small tables that grow each for itself, so that no insert takes long.
 */
import { type HashKey, halfSipHash } from "./half-siphash.ts";
import { TextPacker } from "./text-packer.ts";

/** Entries lie one after the other in chunks of this many bytes; one that is longer has a chunk to itself. */
const CHUNK_BYTES = 2 ** 16;
const SEGMENT_BITS = 10;
const SPREAD_BITS = 32 - SEGMENT_BITS;
const SLOTS_MIN = 8;
const GROWTH = 1.25;
const LOAD_MAX = 0.8;
const NUMBER_BYTES = 8;

interface Chunk {
  readonly bytes: Uint8Array;
  readonly numbers: DataView;
}

/** Slots are pairs: the hash of the key, and where its entry lies plus one (0: free). */
interface Segment {
  slots: Uint32Array;
  used: number;
}

export class PackedTable {
  readonly #key: HashKey;
  readonly #numbers: number;
  readonly #packer = new TextPacker();
  readonly #segments: (Segment | undefined)[] = [];
  readonly #chunks: Chunk[] = [];
  /** Free from here on in the last chunk. */
  #end = CHUNK_BYTES;
  #size = 0;

  /** `numbers`: how many stand beside each key. */
  constructor(key: HashKey, numbers: number) {
    this.#key = key;
    this.#numbers = numbers;
  }

  get size(): number {
    return this.#size;
  }

  /** A handle of the entry, for good; undefined: there is none. */
  find(space: number, a: string, b?: string): number | undefined {
    if (this.#size === 0) return undefined;
    const hash = this.#pack(space, a, b);
    const segment = this.#segments[hash >>> SPREAD_BITS];
    if (segment === undefined) return undefined;
    const entry = segment.slots[this.#slotOf(segment.slots, hash) + 1] as number;
    return entry === 0 ? undefined : entry - 1;
  }

  /** The handle of the entry, which is made where there is none; its numbers begin at zero. */
  add(space: number, a: string, b?: string): number {
    const hash = this.#pack(space, a, b);
    let segment = this.#segments[hash >>> SPREAD_BITS];
    if (segment === undefined) {
      segment = { slots: new Uint32Array(2 * SLOTS_MIN), used: 0 };
      this.#segments[hash >>> SPREAD_BITS] = segment;
    }
    let slot = this.#slotOf(segment.slots, hash);
    const known = segment.slots[slot + 1] as number;
    if (known !== 0) return known - 1;
    if (segment.used + 1 > (segment.slots.length / 2) * LOAD_MAX) {
      segment.slots = grown(segment.slots);
      slot = this.#slotOf(segment.slots, hash);
    }
    const entry = this.#append();
    segment.slots[slot] = hash;
    segment.slots[slot + 1] = entry + 1;
    segment.used += 1;
    this.#size += 1;
    return entry;
  }

  number(entry: number, index: number): number {
    const chunk = this.#chunks[Math.floor(entry / CHUNK_BYTES)] as Chunk;
    return chunk.numbers.getFloat64((entry % CHUNK_BYTES) + index * NUMBER_BYTES, true);
  }

  setNumber(entry: number, index: number, value: number): void {
    const chunk = this.#chunks[Math.floor(entry / CHUNK_BYTES)] as Chunk;
    chunk.numbers.setFloat64((entry % CHUNK_BYTES) + index * NUMBER_BYTES, value, true);
  }

  #pack(space: number, a: string, b: string | undefined): number {
    const packer = this.#packer;
    packer.begin(space);
    packer.add(a);
    if (b !== undefined) packer.add(b);
    return halfSipHash(this.#key, packer.words, packer.bytes, packer.length);
  }

  /** Where the packed key stands, or a free slot that it may take. */
  #slotOf(slots: Uint32Array, hash: number): number {
    let slot = firstSlot(slots, hash);
    for (;;) {
      const entry = slots[slot + 1] as number;
      if (entry === 0 || (slots[slot] === hash && this.#holds(entry - 1))) return slot;
      slot = slot + 2 === slots.length ? 0 : slot + 2;
    }
  }

  #holds(entry: number): boolean {
    const { bytes, length } = this.#packer;
    const stored = (this.#chunks[Math.floor(entry / CHUNK_BYTES)] as Chunk).bytes;
    const start = (entry % CHUNK_BYTES) + this.#numbers * NUMBER_BYTES;
    // Packed keys show where they end, so one that begins like another is that other.
    for (let i = 0; i < length; i++) if (stored[start + i] !== bytes[i]) return false;
    return true;
  }

  #append(): number {
    const { bytes, length } = this.#packer;
    const needed = this.#numbers * NUMBER_BYTES + length;
    if (this.#end + needed > CHUNK_BYTES) {
      const chunk = new Uint8Array(Math.max(CHUNK_BYTES, needed));
      this.#chunks.push({ bytes: chunk, numbers: new DataView(chunk.buffer) });
      this.#end = 0;
    }
    const start = this.#end;
    const chunk = this.#chunks.at(-1) as Chunk;
    chunk.bytes.set(bytes.subarray(0, length), start + this.#numbers * NUMBER_BYTES);
    this.#end += needed;
    const entry = (this.#chunks.length - 1) * CHUNK_BYTES + start;
    if (entry >= 0xffff_ffff) throw new RangeError("a packed table holds four gigabytes at most");
    return entry;
  }
}

function firstSlot(slots: Uint32Array, hash: number): number {
  const part = (hash & (2 ** SPREAD_BITS - 1)) / 2 ** SPREAD_BITS;
  return 2 * Math.floor(part * (slots.length / 2));
}

/** The hashes are in the slots, so the keys need not be read. */
function grown(slots: Uint32Array): Uint32Array {
  const larger = new Uint32Array(2 * Math.ceil((slots.length / 2) * GROWTH));
  for (let from = 0; from < slots.length; from += 2) {
    if (slots[from + 1] === 0) continue;
    let slot = firstSlot(larger, slots[from] as number);
    while (larger[slot + 1] !== 0) slot = slot + 2 === larger.length ? 0 : slot + 2;
    larger[slot] = slots[from] as number;
    larger[slot + 1] = slots[from + 1] as number;
  }
  return larger;
}
