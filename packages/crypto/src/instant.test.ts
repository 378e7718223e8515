import { describe, expect, it } from "vitest";
import { instantMs, instantText } from "./instant.ts";

describe("instantMs", () => {
  it.each([
    ["1970-01-01T00:00:00Z", 0],
    ["2027-01-15T08:00:00.1Z", 1_800_000_000_100],
    ["2027-01-15T08:00:00.000999999Z", 1_800_000_000_000],
    ["2027-01-15T10:00:00.5+02:00", 1_800_000_000_500],
    ["2027-01-15 08:00:00z", 1_800_000_000_000],
    ["1969-12-31T23:59:59.999Z", -1],
  ])("reads %s", (text, wanted) => {
    expect(instantMs(text)).toBe(wanted);
  });

  it.each([
    "",
    "2027-01-15",
    "2027-01-15T08:00:00",
    "2027-02-30T00:00:00Z",
    "2027-13-01T00:00:00Z",
    "2027-01-15T24:00:00Z",
    "2027-01-15T08:00:00.Z",
    "2027-01-15T08:00:00.0000000001Z",
    "2027-01-15T08:00:00+99:00",
  ])("refuses %o", (text) => {
    expect(() => instantMs(text)).toThrow(expect.objectContaining({ code: "KEY_CORRUPT" }));
  });

  it("reads back what instantText writes", () => {
    expect(instantMs(instantText(1_800_000_000_123))).toBe(1_800_000_000_123);
  });
});
