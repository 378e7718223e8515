/** Addresses by value: one spelling for each, and nothing that is no address. */
import { isIP } from "node:net";
import fc from "fast-check";
import { expect, test } from "vitest";
import { canonicalAddress, isAddress, sameAddress } from "./net-address.ts";

test.each([
  ["10.0.0.1", "10.0.0.1"],
  ["::ffff:10.0.0.1", "10.0.0.1"],
  ["::FFFF:0a00:1", "10.0.0.1"],
  ["0:0:0:0:0:ffff:10.0.0.1", "10.0.0.1"],
  ["2001:0DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
  ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
  ["::", "::"],
  ["::1", "::1"],
  // An IPv4-compatible address is not an IPv4-mapped one.
  ["::1.2.3.4", "::102:304"],
  ["64:ff9b::1.2.3.4", "64:ff9b::102:304"],
])("%s is %s", (text, canonical) => {
  expect(canonicalAddress(text)).toBe(canonical);
  expect(sameAddress(text, canonical)).toBe(true);
});

test.each([
  ...[
    "",
    " ",
    "10.0.0.1 ",
    " 10.0.0.1",
    "10.0.0",
    "10.1",
    "167772161",
    "0x0a000001",
    "010.0.0.1",
    "10.0.0.256",
    "10.0.0.1.1",
  ],
  ...[
    "::ffff:010.0.0.1",
    "::ffff:10.0.0",
    "::ffff:256.0.0.1",
    ":",
    ":::",
    "1::2::3",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "g::1",
  ],
  ...["fe80::1%eth0", "::ffff:10.0.0.1%1", "[::1]", "10.0.0.1/8", "::1/128", "12345::1", "localhost", "١٠.٠.٠.١"],
])("%j is no address", (text) => {
  expect(canonicalAddress(text)).toBeUndefined();
  expect(sameAddress(text, text)).toBe(false);
});

test("what the platform calls an address without a zone is one, and nothing else", () => {
  const alphabet = fc.constantFrom(..."0123456789abcdefF:.%x ");
  const text = fc.oneof(fc.ipV4(), fc.ipV6(), fc.string({ unit: alphabet, maxLength: 24 }));
  fc.assert(
    fc.property(text, (address) => {
      const known = isIP(address) !== 0 && !address.includes("%");
      expect([isAddress(address), canonicalAddress(address) !== undefined]).toEqual([known, known]);
    }),
    { numRuns: 2000 },
  );
});

test("text of any length is judged at once", () => {
  for (const text of ["0".repeat(1e6), `${"1:".repeat(5e5)}1`, `::${"1.".repeat(5e5)}1`])
    expect(canonicalAddress(text)).toBeUndefined();
});

test("the canonical spelling stands still", () => {
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (address) => {
      const canonical = canonicalAddress(address) ?? expect.fail();
      expect(canonicalAddress(canonical)).toBe(canonical);
    }),
  );
});
