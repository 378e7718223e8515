import fc from "fast-check";
import { expect, it } from "vitest";
import { frame, uint64, unframe } from "./framing.ts";

const fields = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 8 });

it("frames come apart into the fields they were made of, and into nothing else", () => {
  fc.assert(
    fc.property(fields, (parts) => {
      expect(unframe(frame(...parts), parts.length)).toEqual(parts);
      expect(unframe(frame(...parts), parts.length + 1)).toBeUndefined();
      expect(unframe(Uint8Array.of(...frame(...parts), 0), parts.length)).toBeUndefined();
    }),
  );
});

it("no two lists of fields have one frame, wherever the same bytes are parted", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 50 }), fc.nat(50), fc.nat(50), (bytes, a, b) => {
      const [i, j] = [a % (bytes.length + 1), b % (bytes.length + 1)];
      fc.pre(i !== j);
      const split = (at: number) => frame(bytes.subarray(0, at), bytes.subarray(at));
      expect(split(i)).not.toEqual(split(j));
    }),
  );
});

it("a frame that is cut or says a length that is not there is none", () => {
  const framed = frame(Uint8Array.of(1, 2, 3), new Uint8Array(0));
  for (let length = 0; length < framed.length; length++) expect(unframe(framed.subarray(0, length), 2)).toBeUndefined();
  expect(unframe(Uint8Array.of(0xff, 0xff, 0xff, 0xff, 1), 1)).toBeUndefined();
  expect([...uint64(2 ** 53 - 1)]).toEqual([0, 31, 255, 255, 255, 255, 255, 255]);
});
