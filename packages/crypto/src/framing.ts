/** Length-prefixed bytes, so that no two lists of fields have one encoding. */

/** Several times as fast as a TextEncoder. A view, so that nobody meets a Buffer's own `slice`. */
export function utf8(text: string): Uint8Array<ArrayBuffer> {
  const bytes = Buffer.from(text, "utf8");
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** Every field as its length (uint32, big-endian) and its bytes, one after the other. */
export function frame(...fields: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  let size = 0;
  for (const field of fields) size += 4 + field.length;
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  let offset = 0;
  for (const field of fields) {
    view.setUint32(offset, field.length);
    bytes.set(field, offset + 4);
    offset += 4 + field.length;
  }
  return bytes;
}

/** The fields of a frame, when it holds exactly `count` of them and nothing else; the bytes are views of the input. */
export function unframe(bytes: Uint8Array, count: number): Uint8Array[] | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const fields: Uint8Array[] = [];
  let offset = 0;
  for (let i = 0; i < count; i++) {
    if (bytes.length - offset < 4) return undefined;
    const length = view.getUint32(offset);
    offset += 4;
    if (bytes.length - offset < length) return undefined;
    fields.push(bytes.subarray(offset, offset + length));
    offset += length;
  }
  return offset === bytes.length ? fields : undefined;
}

/** `value`: whole, 0 to 2^53-1. Big-endian. */
export function uint64(value: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value));
  return bytes;
}

export function uint32(value: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  let size = 0;
  for (const part of parts) size += part.length;
  const bytes = new Uint8Array(size);
  let offset = 0;
  for (const part of parts) {
    bytes.set(part, offset);
    offset += part.length;
  }
  return bytes;
}

/** Not in constant time: for public values only. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
