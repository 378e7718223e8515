/**
 * Reads protobuf of the plainest form: known fields of the expected type, numbers of ordinary size, printable ASCII. Whatever
 * else protobuf allows makes it stop being plain, and the caller then leaves the bytes to the library.
 */

const SPACE = 0x20;
const TILDE = 0x7e;

export class PlainReader {
  readonly #bytes: Buffer;
  /** Every byte as one character: slicing it costs a fraction of decoding each field. */
  readonly #text: string;
  #position = 0;
  #end: number;
  #plain = true;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#text = this.#bytes.toString("latin1");
    this.#end = bytes.byteLength;
  }

  /** False as soon as anything was not plain; nothing that was read counts then. */
  get plain(): boolean {
    return this.#plain;
  }

  /** The next tag, of a field of at most 15; 0 at the end of the message. */
  tag(): number {
    if (this.#position >= this.#end) return 0;
    const tag = this.#bytes[this.#position++] as number;
    // There is no field 0: a zero in the middle of a message is no end of it.
    return tag > 0 && tag < 0x80 ? tag : this.stop();
  }

  /** Ends all reading: what follows looks like the end of every message. */
  stop(): 0 {
    this.#plain = false;
    this.#position = this.#end = 0;
    return 0;
  }

  /** Goes into a message; give the result to `leave` when its tags are through. */
  enter(): number {
    const size = this.varint();
    const outer = this.#end;
    if (size > outer - this.#position) return this.stop();
    this.#end = this.#position + size;
    return outer;
  }

  leave(outer: number): void {
    if (this.#plain) this.#end = outer;
  }

  /** 0 to 2^49-1. */
  varint(): number {
    let value = 0;
    for (let scale = 1; scale < 2 ** 49; scale *= 128) {
      if (this.#position >= this.#end) return this.stop();
      const byte = this.#bytes[this.#position++] as number;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
    return this.stop();
  }

  /** A finite number. */
  double(): number {
    if (this.#end - this.#position < 8) return this.stop();
    const value = this.#bytes.readDoubleLE(this.#position);
    this.#position += 8;
    return Number.isFinite(value) ? value : this.stop();
  }

  /** Printable ASCII, so that its bytes are its characters. */
  text(bytesMin: number, bytesMax: number): string {
    const size = this.varint();
    const start = this.#position;
    if (size < bytesMin || size > bytesMax || size > this.#end - start) {
      this.stop();
      return "";
    }
    const end = start + size;
    const bytes = this.#bytes;
    for (let at = start; at < end; at++) {
      const byte = bytes[at] as number;
      if (byte < SPACE || byte > TILDE) {
        this.stop();
        return "";
      }
    }
    this.#position = end;
    return this.#text.slice(start, end);
  }
}
