/** Writes protobuf into one buffer of exactly its size: who measures first needs no second copy. */
import { Bug } from "@kavach/model";
import { bytesTag, varintTag } from "./tags.ts";

const LAST_7 = 0x7f;
const MORE = 0x80;
/** Up to this size a loop is faster than a call of the runtime. */
const SHORT = 48;

/** Bytes of a varint. `value`: whole, 0 to 2^53-1. */
export function varintSize(value: number): number {
  let size = 1;
  for (let rest = value; rest >= MORE; rest = Math.floor(rest / MORE)) size++;
  return size;
}

/** Bytes of a message or an item of a list that has `size` bytes itself: there even when it is empty. */
export function itemSize(field: number, size: number): number {
  return varintSize(bytesTag(field)) + varintSize(size) + size;
}

/** Bytes of a field that has `size` bytes itself: proto3 leaves out what is empty. */
export function bytesSize(field: number, size: number): number {
  return size === 0 ? 0 : itemSize(field, size);
}

export function textSize(field: number, text: string): number {
  return bytesSize(field, Buffer.byteLength(text));
}

/** `value`: whole, 0 to 2^53-1; zero is left out. */
export function numberSize(field: number, value: number): number {
  return value === 0 ? 0 : varintSize(varintTag(field)) + varintSize(value);
}

export class PlainWriter {
  readonly #bytes: Buffer;
  readonly #end: number;
  #position: number;

  /** For a message of `size` bytes; as many as `headroom` says stay free in front of it. Or into `bytes`, which has room for both. */
  constructor(size: number, headroom = 0, bytes: Uint8Array = Buffer.allocUnsafe(headroom + size)) {
    this.#bytes = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#position = headroom;
    this.#end = headroom + size;
  }

  /** All of it, headroom included. Throws `Bug` where less was written than was measured: the rest would be somebody else's memory. */
  finish(): Uint8Array<ArrayBuffer> {
    const { buffer, byteOffset } = this.#bytes;
    if (this.#position !== this.#end) throw new Bug("a message is not as long as it was measured");
    return new Uint8Array(buffer as ArrayBuffer, byteOffset, this.#end);
  }

  /** A byte string of `size` bytes that somebody else writes, from the place given to it on. */
  rawBy(field: number, size: number, write: (bytes: Uint8Array, at: number) => void): void {
    this.open(field, size);
    write(this.#bytes, this.#position);
    this.#position += size;
  }

  /** Tag and length of a message or an item whose `size` bytes are written next. */
  open(field: number, size: number): void {
    this.#varint(bytesTag(field));
    this.#varint(size);
  }

  number(field: number, value: number): void {
    if (value === 0) return;
    this.#varint(varintTag(field));
    this.#varint(value);
  }

  text(field: number, text: string): void {
    if (text !== "") this.textItem(field, text);
  }

  /** One text of a list. */
  textItem(field: number, text: string): void {
    const size = Buffer.byteLength(text);
    this.open(field, size);
    if (size > SHORT || size !== text.length) {
      this.#position += this.#bytes.write(text, this.#position, size, "utf8");
      return;
    }
    // As many bytes as characters: ASCII.
    for (let i = 0; i < size; i++) this.#bytes[this.#position++] = text.charCodeAt(i);
  }

  raw(field: number, bytes: Uint8Array): void {
    if (bytes.length > 0) this.rawItem(field, bytes);
  }

  /** One byte string of a list. */
  rawItem(field: number, bytes: Uint8Array): void {
    const size = bytes.length;
    this.open(field, size);
    if (size > SHORT) {
      this.#bytes.set(bytes, this.#position);
      this.#position += size;
      return;
    }
    for (let i = 0; i < size; i++) this.#bytes[this.#position++] = bytes[i] as number;
  }

  #varint(value: number): void {
    let rest = value;
    for (; rest >= MORE; rest = Math.floor(rest / MORE)) this.#bytes[this.#position++] = (rest & LAST_7) | MORE;
    this.#bytes[this.#position++] = rest;
  }
}
