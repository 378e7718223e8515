import { describe, expect, it } from "vitest";
import { formatOneSignature } from "./format-one.ts";

const FIELDS = {
  token_id: "a",
  evaluation_id: "b",
  issued_at: 1,
  expires_at: 2,
  action_name: "c",
  signature: [1, 255],
};
const bytes = (text: string) => new TextEncoder().encode(text);

describe("a token of format 1", () => {
  it("gives its envelope", () => {
    expect(formatOneSignature(bytes(JSON.stringify(FIELDS)))).toEqual(Uint8Array.of(1, 255));
  });

  it.each([
    ["nothing", ""],
    ["a token of format 2", "\n\u0004abcd"],
    ["no JSON", "{"],
    ["no object", "[]"],
    ["a missing member", JSON.stringify({ ...FIELDS, action_name: undefined })],
    ["a member too many", JSON.stringify({ ...FIELDS, realm: "default" })],
    ["a signature that is a text", JSON.stringify({ ...FIELDS, signature: "AQ==" })],
    ["a signature that is no bytes", JSON.stringify({ ...FIELDS, signature: [1, 256] })],
  ])("is not %s", (_, text) => {
    expect(formatOneSignature(bytes(text))).toBeUndefined();
    expect(formatOneSignature(Uint8Array.of(0x7b, 0xff))).toBeUndefined();
  });
});
