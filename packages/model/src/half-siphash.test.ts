/** Against the published vectors (vectors_hsip32 of the reference implementation), which are of HalfSipHash-2-4. */
import { expect, it } from "vitest";
import { halfSipHash } from "./half-siphash.ts";

const VECTORS = [
  ["a9359f5b", "27475ab8", "fa62a603", "8afee704", "2a6e4689", "c5fab669", "5863fc23", "8bcf63c5"],
  ["d0b8848f", "f806e779", "94b07934", "08083050", "57f0872f", "77e663ff", "d6fff87c", "74fe2b97"],
].flat();

it.each(VECTORS.map((hex, length) => ({ hex, length })))("hashes $length bytes to $hex", ({ hex, length }) => {
  const words = new Uint32Array(4);
  const bytes = new Uint8Array(words.buffer);
  for (let i = 0; i < bytes.length; i++) bytes[i] = i;
  const hash = halfSipHash({ low: 0x03020100, high: 0x07060504 }, words, bytes, length, { word: 2, end: 4 });
  const little = new DataView(new ArrayBuffer(4));
  little.setUint32(0, hash, true);
  expect(Buffer.from(little.buffer).toString("hex")).toBe(hex);
});

it("depends on the key, on every byte and on the length", () => {
  const words = new Uint32Array(8);
  const bytes = new Uint8Array(words.buffer);
  const seen = new Set<number>();
  for (const low of [0, 1]) {
    for (let length = 0; length <= 32; length++) seen.add(halfSipHash({ low, high: 0 }, words, bytes, length));
    for (let at = 0; at < 32; at++) {
      bytes[at] = 1;
      seen.add(halfSipHash({ low, high: 0 }, words, bytes, 32));
      bytes[at] = 0;
    }
  }
  expect(seen.size).toBe(2 * 65);
});
