/** Contexts as users write them: checked, copied, frozen; and places. */
import { type ContextInput, InputError } from "@kavach/model";
import { describe, expect, it } from "vitest";
import { ActionContext, readContext } from "./action-context.ts";
import { refund } from "./gate.test-kit.ts";
import { GeoLocation } from "./geo-location.ts";

const READING = { nowMs: 1_800_000_000_000, unnamedSessionId: "evaluation" };
const bangalore = new GeoLocation("IN", { city: "Bangalore", latitude: 12.97, longitude: 77.59 });
const chennai = new GeoLocation("IN", { city: "Chennai", latitude: 13.08, longitude: 80.27 });

/** Every key. */
const WHOLE: ContextInput = {
  principalId: "alice",
  principalKind: "user",
  actionName: "issue_refund",
  roles: ["support"],
  resource: "orders/ORD-42",
  params: { amount: 1500, note: "late", urgent: true },
  ip: "10.0.0.1",
  sessionId: "s-1",
  originIp: "10.0.0.1",
  currentGeo: chennai,
  originGeo: bangalore,
  device: { hash: "a" },
  originDevice: { hash: "a", description: "phone" },
  sessionStartedAt: 1_799_999_000.5,
  actionCount: 4,
  userAgent: "x/1",
};

describe("ActionContext", () => {
  it.each<[string, ContextInput]>([
    ["every key", WHOLE],
    ["a start as a date", { ...WHOLE, sessionStartedAt: new Date(1_799_999_000_123) }],
    ["the required keys alone", { principalId: "a", principalKind: "service", actionName: "x" }],
    ["a session without a start", { ...refund(), sessionId: "s" }],
    ["facts of a session without a name", { ...refund(), originIp: "10.0.0.1" }],
    ["params as a map", { ...refund(), params: new Map([["amount", 5]]) }],
    ["a key without a value", { ...refund(), resource: undefined }],
    ["params with names of the language", { ...refund(), params: JSON.parse('{"__proto__":1,"constructor":2}') }],
  ])("reads as its flat form does: %s", (_name, input) => {
    const context = new ActionContext(input);
    expect(readContext(context, READING)).toEqual(readContext(input, READING));
    // What a remote gate is told is the same, too.
    expect(readContext({ ...context }, READING)).toEqual(readContext(input, READING));
  });

  it("keeps numbers, texts and booleans as they are, and refuses the rest", () => {
    expect(readContext(new ActionContext(WHOLE), READING).action.params).toEqual(
      new Map<string, unknown>([
        ["amount", 1500],
        ["note", "late"],
        ["urgent", true],
      ]),
    );
    for (const value of [null, [1], {}, 1n, Number.NaN, undefined, () => 1]) {
      expect(() => new ActionContext(refund({ params: { value: value as never } }))).toThrow(InputError);
    }
  });

  it("does not change when what it was made of does", () => {
    const roles = ["support"];
    const params = { amount: 5 };
    const started = new Date(1_799_999_000_000);
    const context = new ActionContext(refund({ roles, params, sessionId: "s", sessionStartedAt: started }));
    const before = readContext(context, READING);
    roles.push("admin");
    params.amount = 1e9;
    started.setTime(0);
    expect(readContext(context, READING)).toEqual(before);
    expect(readContext({ ...context }, READING)).toEqual(before);
    expect(before.principal.roles).toEqual(["support"]);
    expect(() => Object.assign(context, { principalId: "mallory" })).toThrow(TypeError);
    expect(() => (context.roles as string[]).push("admin")).toThrow(TypeError);
  });

  it("withParam makes another one", () => {
    const context = new ActionContext(refund({ params: { amount: 5 } }));
    const more = context.withParam("urgent", true).withParam("amount", 6);
    expect(more.params).toEqual({ amount: 6, urgent: true });
    expect(context.params).toEqual({ amount: 5 });
    expect(() => context.withParam("x", Number.POSITIVE_INFINITY)).toThrow(InputError);
  });

  it("names every violation by its key", () => {
    const make = () => new ActionContext({ ...WHOLE, principalId: "", ip: "10.0.0.300", actionCount: -1 });
    expect(make).toThrow(/principalId: .*actionCount: .*ip: /);
    expect(() => new ActionContext({ ...WHOLE, pricipalId: "x" } as never)).toThrow("pricipalId: is not a known key");
  });
});

describe("GeoLocation", () => {
  it("measures great circles; without both coordinates there is no distance", () => {
    expect(bangalore.distanceKm(chennai)).toBeCloseTo(290.6, 1);
    expect(bangalore.distanceKm(bangalore)).toBe(0);
    const pole = new GeoLocation("AQ", { latitude: 90, longitude: 0 });
    expect(pole.distanceKm(new GeoLocation("NO", { latitude: -90, longitude: 0 }))).toBeCloseTo(Math.PI * 6371, 3);
    expect(bangalore.distanceKm(new GeoLocation("IN"))).toBeUndefined();
    expect(new GeoLocation("IN", { latitude: 5 }).distanceKm(chennai)).toBeUndefined();
  });

  it.each<[string, unknown, unknown]>([
    ["latitude: ", "IN", { latitude: 90.1 }],
    ["latitude: ", "IN", { latitude: Number.NaN }],
    ["longitude: ", "IN", { longitude: -180.1 }],
    ["longitude: ", "IN", { longitude: "80" }],
    ["city: ", "IN", { city: 5 }],
    ["lat: is not a known key", "IN", { lat: 5 }],
    ["countryCode: ", "", {}],
  ])("refuses %s", (message, country, details) => {
    expect(() => new GeoLocation(country as string, details as object)).toThrow(InputError);
    expect(() => new GeoLocation(country as string, details as object)).toThrow(message);
  });
});
