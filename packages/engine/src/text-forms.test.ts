/** Durations, time windows, patterns and numbers as texts. */
import { describe, expect, test } from "vitest";
import { parseDuration } from "./duration.ts";
import { oneDecimal, plainNumber } from "./number-text.ts";
import { suggest } from "./suggest.ts";
import { parseTimeWindow, windowTest } from "./time-window.ts";
import { isZoneName, zoneNames } from "./time-zone.ts";

describe("durations", () => {
  test.each([
    ["90", 90],
    ["5s", 5],
    ["05m", 300],
    ["1h", 3600],
    ["30d", 2_592_000],
    ["\t5m\n", 300],
  ])("%j is %d s", (text, seconds) => {
    expect(parseDuration(text)).toEqual({ seconds });
  });

  test.each([
    "",
    " ",
    "1h30m",
    "-5s",
    "+5s",
    "1.5h",
    "5 m",
    "5S",
    "s",
    "5w",
    "1e3",
    "٣s",
    "0",
    "0d",
    "99999999999999999999d",
  ])("%j is no duration", (text) => {
    expect(parseDuration(text)).toHaveProperty("fault");
  });
});

function inWindow(text: string, instant: string): boolean {
  const window = parseTimeWindow(text);
  if ("fault" in window) throw new Error(window.fault);
  return windowTest(window)(Date.parse(instant));
}

test.each([
  ["09:00-18:00", "2026-06-15T09:00:00.000Z", true],
  ["09:00-18:00", "2026-06-15T08:59:59.999Z", false],
  ["09:00-18:00", "2026-06-15T18:00:00.000Z", true],
  ["09:00-18:00", "2026-06-15T18:00:00.001Z", false],
  ["22:00-06:00", "2026-06-15T23:00:00Z", true],
  ["22:00-06:00", "2026-06-15T06:00:00Z", true],
  ["22:00-06:00", "2026-06-15T06:00:00.001Z", false],
  ["09:00-09:00", "2026-06-15T09:00:00Z", true],
  ["09:00-09:00", "2026-06-15T09:00:00.001Z", false],
  ["00:00-24:00", "2026-06-15T23:59:59.999Z", true],
  ["18:00-24:00", "2026-06-15T17:59:59.999Z", false],
  ["09:00-18:00 Asia/Kolkata", "2026-06-15T03:30:00Z", true],
  ["09:00-18:00 Asia/Kolkata", "2026-06-15T03:29:59.999Z", false],
  ["09:00-18:00 Asia/Kolkata", "2026-06-15T12:30:00.001Z", false],
  // Summer and winter time.
  ["09:00-18:00 Europe/London", "2026-07-01T08:00:00Z", true],
  ["09:00-18:00 Europe/London", "2026-01-15T08:00:00Z", false],
  // The hour that does not exist, and the hour that comes twice.
  ["02:00-02:59 America/New_York", "2026-03-08T06:59:59.999Z", false],
  ["02:00-02:59 America/New_York", "2026-03-08T07:00:00Z", false],
  ["01:00-02:00 America/New_York", "2026-11-01T05:30:00Z", true],
  ["01:00-02:00 America/New_York", "2026-11-01T06:30:00Z", true],
  // Before the epoch.
  ["23:00-23:30", "1969-12-31T23:15:00Z", true],
])("%s at %s: %s", (text, instant, holds) => {
  expect(inWindow(text, instant)).toBe(holds);
});

test("a fraction of a millisecond after the end is out", () => {
  const window = parseTimeWindow("09:00-18:00 Europe/Berlin");
  if ("fault" in window) throw new Error(window.fault);
  const end = Date.parse("2026-06-15T16:00:00Z");
  expect(windowTest(window)(end)).toBe(true);
  expect(windowTest(window)(end + 0.001)).toBe(false);
});

test.each([
  ...[
    "",
    "9:00-18:00",
    "09:00-18:00 ",
    "09:00-18:00  UTC",
    "09:00-18:00\tUTC",
    " 09:00-18:00",
    "09:00 - 18:00",
    "24:00-06:00",
  ],
  ...[
    "09:60-18:00",
    "09:00-25:00",
    "09:00-24:01",
    "09:00:00-18:00:00",
    "09:00-18:00 Z",
    "09:00-18:00 +05:30",
    "09:00-18:00 utc",
  ],
  ...["09:00-18:00 europe/london", "09:00-18:00 Not/Real", "09:00-18:00 UTC UTC", "09:00–18:00"],
])("%j is no window", (text) => {
  expect(parseTimeWindow(text)).toHaveProperty("fault");
});

test("a zone that is nearly one gets a suggestion", () => {
  expect(parseTimeWindow("09:00-18:00 Europe/Lundon")).toMatchObject({ suggestion: "Europe/London" });
});

test("every name on the list of other names is one that Intl takes", () => {
  for (const zone of zoneNames()) expect(() => new Intl.DateTimeFormat("en", { timeZone: zone })).not.toThrow();
  expect(["US/Eastern", "Asia/Kolkata", "Asia/Calcutta", "UTC", "Europe/Kyiv"].every(isZoneName)).toBe(true);
});

test.each([
  [1000, "1000"],
  [1500.5, "1500.5"],
  [0.1, "0.1"],
  [1e21, "1000000000000000000000"],
  [1.5e22, "15000000000000000000000"],
  [1e-7, "0.0000001"],
  [-1.25e-9, "-0.00000000125"],
  [-0, "-0"],
  [-5, "-5"],
])("%d prints as %s", (value, text) => {
  expect(plainNumber(value)).toBe(text);
  expect(Number(plainNumber(value))).toBe(value);
});

test("distances print with one digit, however large", () => {
  expect(oneDecimal(290.59)).toBe("290.6");
  expect(oneDecimal(0)).toBe("0.0");
  expect(oneDecimal(1e22)).toBe("10000000000000000000000.0");
});

test("a suggestion is near the word or none at all", () => {
  expect(suggest("efect", ["effect", "name"])).toBe("effect");
  expect(suggest("Permit", ["permit", "refuse"])).toBe("permit");
  expect(suggest("colour", ["name", "effect"])).toBeUndefined();
  expect(suggest("x".repeat(100_000), ["name"])).toBeUndefined();
});
