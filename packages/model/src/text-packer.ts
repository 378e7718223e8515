/**
 * Packs texts into few bytes, exactly and so that each shows where it ends: a sequence of packed texts equals another only where all
 * texts are equal. Ids are mostly hex digits, and take half their length.
 */

/** Beyond these heads, a head is the length of a text of one byte for each character. */
const HEAD = { long: 0xf0, wide: 0xf1, shaped: 0xf2 } as const;
const SHORT_MAX = HEAD.long - 1;

/** A text of hex digits in lower case, with a mark at some places. */
interface Shape {
  readonly length: number;
  readonly marks: readonly number[];
  readonly mark: number;
  /** Where the pairs of digits begin. */
  readonly pairs: Uint8Array;
}

/** Issued session ids, UUIDs, trace ids and digests. Their lengths differ. */
const SHAPES: readonly Shape[] = [
  shape(36, [8, 13, 18, 23], "-"),
  shape(49, [32], "."),
  shape(32, [], ""),
  shape(64, [], ""),
];
/** By length; -1 where there is none. */
const SHAPE_OF = Int8Array.from({ length: 65 }, (_, length) => SHAPES.findIndex((one) => one.length === length));
/** By code unit; what is no digit has a bit beyond four. */
const DIGIT_OF = Uint8Array.from({ length: 256 }, (_, unit) => {
  const digit = "0123456789abcdef".indexOf(String.fromCharCode(unit));
  return digit < 0 ? 0xff : digit;
});

export class TextPacker {
  #bytes = new Uint8Array(1024);
  #words = new Uint32Array(this.#bytes.buffer);
  #length = 0;

  /** What is packed so far lies in the first `length` of them. A later call may put others in their place. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }

  /** The same memory. */
  get words(): Uint32Array {
    return this.#words;
  }

  get length(): number {
    return this.#length;
  }

  /** Begins anew, with a number from 0 to 2^32 - 1. */
  begin(number: number): void {
    this.#length = 0;
    let rest = number;
    while (rest >= 0x80) {
      this.#bytes[this.#length++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.#bytes[this.#length++] = rest;
  }

  add(text: string): void {
    this.#reserve(5 + 2 * text.length);
    if (this.#addShaped(text) || this.#addNarrow(text)) return;
    this.#bytes[this.#length++] = HEAD.wide;
    this.#addLength(text.length);
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i);
      this.#bytes[this.#length++] = unit & 0xff;
      this.#bytes[this.#length++] = unit >>> 8;
    }
  }

  /** False, and nothing is added, where a character needs two bytes. */
  #addNarrow(text: string): boolean {
    const bytes = this.#bytes;
    const start = this.#length;
    if (text.length > SHORT_MAX) {
      bytes[this.#length++] = HEAD.long;
      this.#addLength(text.length);
    } else bytes[this.#length++] = text.length;
    let next = this.#length;
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i);
      if (unit > 0xff) {
        this.#length = start;
        return false;
      }
      bytes[next++] = unit;
    }
    this.#length = next;
    return true;
  }

  #addShaped(text: string): boolean {
    const index = text.length < SHAPE_OF.length ? (SHAPE_OF[text.length] as number) : -1;
    if (index < 0) return false;
    const { pairs, marks, mark } = SHAPES[index] as Shape;
    for (const at of marks) if (text.charCodeAt(at) !== mark) return false;
    const bytes = this.#bytes;
    const start = this.#length + 1;
    let units = 0;
    let digits = 0;
    for (let i = 0; i < pairs.length; i++) {
      const at = pairs[i] as number;
      const first = text.charCodeAt(at);
      const second = text.charCodeAt(at + 1);
      const high = DIGIT_OF[first & 0xff] as number;
      const low = DIGIT_OF[second & 0xff] as number;
      units |= first | second;
      digits |= high | low;
      bytes[start + i] = (high << 4) | low;
    }
    if (units > 0xff || digits > 0xf) return false;
    bytes[start - 1] = HEAD.shaped + index;
    this.#length = start + pairs.length;
    return true;
  }

  #addLength(length: number): void {
    for (let shift = 0; shift < 32; shift += 8) this.#bytes[this.#length++] = (length >>> shift) & 0xff;
  }

  #reserve(more: number): void {
    const needed = this.#length + more;
    if (needed <= this.#bytes.length) return;
    const larger = new Uint8Array(2 ** Math.ceil(Math.log2(needed)));
    larger.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = larger;
    this.#words = new Uint32Array(larger.buffer);
  }
}

function shape(length: number, marks: readonly number[], mark: string): Shape {
  const places = Array.from({ length }, (_, place) => place).filter((place) => !marks.includes(place));
  const pairs = Uint8Array.from(places.filter((_, digit) => digit % 2 === 0));
  return { length, marks, mark: mark.length === 0 ? 0 : mark.charCodeAt(0), pairs };
}
