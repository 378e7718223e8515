/** The four drift detectors, their messages to the letter, and what they do together. */
import type { Environment, GeoLocation, Session } from "@kavach/model";
import { describe, expect, test } from "vitest";
import { distanceKm } from "./drift-geo.ts";
import { contextOf, judge, NOON_MS, permit, setOf } from "./engine-fixture.ts";
import type { DriftOptions } from "./gate-rules.ts";

const everything = setOf(permit());

function driftOf(session: Partial<Session>, environment: Environment = {}, drift: DriftOptions = {}): string {
  const finding = judge(everything, contextOf({ session, environment }), { drift });
  if (finding.kind === "pass") return "pass";
  if (finding.kind === "refuse") return `${finding.code} ${finding.evaluator}: ${finding.reason}`;
  expect(finding.scope).toMatchObject({ target: { kind: "session", principalId: "u1", id: "s1" }, evaluator: "drift" });
  return finding.scope.reason;
}

const BANGALORE: GeoLocation = { countryCode: "IN", city: "Bangalore", latitude: 12.97, longitude: 77.59 };
const CHENNAI: GeoLocation = { countryCode: "IN", city: "Chennai", latitude: 13.08, longitude: 80.27 };
const INDIA: GeoLocation = { countryCode: "IN" };

describe("place, strict", () => {
  test.each([
    ["10.0.0.1", "10.0.0.1", "pass"],
    ["10.0.0.1", "::ffff:10.0.0.1", "pass"],
    ["::FFFF:0A00:0001", "10.0.0.1", "pass"],
    ["2001:db8::1", "2001:0DB8:0:0::0001", "pass"],
    ["10.0.0.1", "10.0.0.2", "IP changed mid-session: 10.0.0.1 → 10.0.0.2"],
    ["10.0.0.1", "::ffff:10.0.0.2", "IP changed mid-session: 10.0.0.1 → 10.0.0.2"],
    ["2001:db8::1", "2001:0db8::0:2", "IP changed mid-session: 2001:db8::1 → 2001:db8::2"],
    ["rubbish", "trash", "IP changed mid-session: rubbish → trash"],
  ])("%s to %s: %s", (originIp, ip, answer) => {
    expect(driftOf({ originIp }, { ip })).toBe(answer);
  });

  test("an address that only one side has is stable", () => {
    expect(driftOf({ originIp: "10.0.0.1" })).toBe("pass");
    expect(driftOf({}, { ip: "10.0.0.1" })).toBe("pass");
  });

  test("the note names the current place as far as it is known", () => {
    const moved = (geo: GeoLocation) => driftOf({ originIp: "1.1.1.1", originGeo: BANGALORE }, { ip: "2.2.2.2", geo });
    expect(moved(CHENNAI)).toBe("IP changed mid-session: 1.1.1.1 → 2.2.2.2 (current geo: IN/Chennai)");
    expect(moved(INDIA)).toBe("IP changed mid-session: 1.1.1.1 → 2.2.2.2 (current geo: IN)");
  });
});

describe("place, tolerant", () => {
  const moved = (geoMaxKm: number, originGeo?: GeoLocation, geo?: GeoLocation) =>
    driftOf(
      { originIp: "1.1.1.1", ...(originGeo !== undefined && { originGeo }) },
      { ip: "2.2.2.2", ...(geo !== undefined && { geo }) },
      { geoMaxKm, warningsToRefuse: 1 },
    );

  test("within the limit it is a warning, beyond it a violation", () => {
    expect(moved(291, BANGALORE, CHENNAI)).toBe("DRIFT_DETECTED drift: 1 concurrent drift warnings (threshold: 1)");
    expect(moved(100, BANGALORE, CHENNAI)).toBe(
      "IP changed mid-session and moved 290.6km (> 100.0km threshold): 1.1.1.1 → 2.2.2.2 (current geo: IN/Chennai)",
    );
  });

  test.each([
    [undefined, CHENNAI, " (current geo: IN/Chennai)"],
    [BANGALORE, undefined, ""],
    [BANGALORE, INDIA, " (current geo: IN)"],
    [BANGALORE, { countryCode: "IN", latitude: 1 }, " (current geo: IN)"],
  ])("from %j to %j the distance is unverifiable", (origin, current, note) => {
    const reason = `IP changed mid-session and geo distance is unverifiable: 1.1.1.1 → 2.2.2.2${note}`;
    expect(moved(20_000, origin, current)).toBe(reason);
  });

  test("antipodes are half a circumference apart, and the distance is never not a number", () => {
    const pole = (latitude: number): GeoLocation => ({ countryCode: "X", latitude, longitude: 0 });
    expect(distanceKm(pole(-90), pole(90))).toBeCloseTo(Math.PI * 6371, 6);
    expect(distanceKm(pole(90), { countryCode: "X", latitude: 90, longitude: 180 })).toBeCloseTo(0, 6);
  });
});

test.each([
  [14_400_999, "pass"],
  [21_600_000, "session age (21600s) exceeds maximum (14400s)"],
  [14_401_000, "session age (14401s) exceeds maximum (14400s)"],
  [-3_600_000, "pass"],
])("a session %d ms old: %s", (ageMs, answer) => {
  expect(driftOf({ startedAtMs: NOON_MS - ageMs })).toBe(answer);
});

test("an age warning begins after three quarters", () => {
  const aged = (seconds: number) => driftOf({ startedAtMs: NOON_MS - seconds * 1000 }, {}, { warningsToRefuse: 1 });
  expect(aged(10_800)).toBe("pass");
  expect(aged(10_801)).toBe("DRIFT_DETECTED drift: 1 concurrent drift warnings (threshold: 1)");
});

test.each([
  [{ hash: "a" }, { hash: "a" }, "pass"],
  [{ hash: "a", description: "x" }, { hash: "a", description: "y" }, "pass"],
  [{ hash: "a" }, { hash: "b" }, "device fingerprint changed mid-session"],
  [{ hash: "a" }, {}, "pass"],
  [{}, { hash: "a" }, "pass"],
  [{ hash: "a" }, undefined, "pass"],
])("device %j, then %j: %s", (originDevice, device, answer) => {
  expect(driftOf({ originDevice }, device === undefined ? {} : { device })).toBe(answer);
});

test.each([
  [0, 100, "pass"],
  [0, 101, "action rate (101/min) exceeds violation threshold (100)"],
  [0, 200, "action rate (200/min) exceeds violation threshold (100)"],
  [119, 101, "action rate (101/min) exceeds violation threshold (100)"],
  [120, 201, "pass"],
  [120, 202, "action rate (101/min) exceeds violation threshold (100)"],
  [-3600, 50, "pass"],
])("%d s old, %d actions: %s", (age, actionCount, answer) => {
  expect(driftOf({ startedAtMs: NOON_MS - age * 1000, actionCount })).toBe(answer);
});

test("a rate warning begins above 30 a minute", () => {
  expect(driftOf({ actionCount: 30 }, {}, { warningsToRefuse: 1 })).toBe("pass");
  expect(driftOf({ actionCount: 31 }, {}, { warningsToRefuse: 1 })).toContain("DRIFT_DETECTED");
});

describe("together", () => {
  const session = {
    originIp: "1.1.1.1",
    originGeo: BANGALORE,
    startedAtMs: NOON_MS - 12_000_000,
    actionCount: 31 * 200,
  };
  const environment = { ip: "2.2.2.2", geo: CHENNAI };

  test("three warnings refuse, two do not", () => {
    expect(driftOf(session, environment, { geoMaxKm: 500 })).toBe(
      "DRIFT_DETECTED drift: 3 concurrent drift warnings (threshold: 3)",
    );
    expect(driftOf({ ...session, actionCount: 0 }, environment, { geoMaxKm: 500 })).toBe("pass");
  });

  test("one violation voids the session whatever else is only a warning, and place speaks first", () => {
    expect(driftOf({ ...session, actionCount: 101 * 200 }, environment, { geoMaxKm: 500 })).toContain(
      "action rate (101/min)",
    );
    expect(driftOf({ ...session, startedAtMs: 0 }, environment)).toContain("IP changed mid-session");
  });

  test("every threshold can be set", () => {
    const drift = { sessionAgeMaxSeconds: 60, sessionAgeWarningSeconds: 10, actionRateMax: 5, actionRateWarning: 1 };
    expect(driftOf({ startedAtMs: NOON_MS - 61_000 }, {}, drift)).toBe("session age (61s) exceeds maximum (60s)");
    expect(driftOf({ actionCount: 6 }, {}, drift)).toBe("action rate (6/min) exceeds violation threshold (5)");
    const both = { startedAtMs: NOON_MS - 11_000, actionCount: 2 };
    expect(driftOf(both, {}, { ...drift, warningsToRefuse: 2 })).toBe(
      "DRIFT_DETECTED drift: 2 concurrent drift warnings (threshold: 2)",
    );
  });

  test("without a session there is nothing to drift from", () => {
    expect(judge(everything, contextOf({ environment: { ip: "1.1.1.1", device: { hash: "a" } } })).kind).toBe("pass");
  });
});
