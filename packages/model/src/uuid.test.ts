import { expect, it } from "vitest";
import { Bug } from "./errors.ts";
import { uuidFromBytes, uuidFromRandom, uuidToBytes } from "./uuid.ts";

it("goes from text to bytes and back, in either case", () => {
  const text = "0123abcd-4567-89ef-fedc-ba9876543210";
  expect(Buffer.from(uuidToBytes(text)).toString("hex")).toBe(text.replaceAll("-", ""));
  expect(uuidToBytes(text.toUpperCase())).toEqual(uuidToBytes(text));
  expect(uuidFromBytes(uuidToBytes(text))).toBe(text);
});

it.each([
  ["", "empty"],
  ["0123abcd-4567-89ef-fedc-ba987654321", "too short"],
  ["0123abcd-4567-89ef-fedc-ba98765432100", "too long"],
  ["0123abcd-4567-89ef-fedc-ba987654321g", "no digit"],
  ["0123abcd04567-89ef-fedc-ba9876543210", "no hyphen"],
  ["0123abcd-4567-89ef-fedc-ba987654321é", "beyond ASCII"],
])("refuses %o: %s", (text) => {
  expect(() => uuidToBytes(text)).toThrow(Bug);
});

it("marks a random one as version 4", () => {
  expect(uuidFromRandom(new Uint8Array(16).fill(255))).toBe("ffffffff-ffff-4fff-bfff-ffffffffffff");
});
