/** Every input limit: at its edge it is taken, a step beyond it is a violation with the path that the caller knows. */
import { expect, test } from "vitest";
import { contextViolations, requireContext } from "./context-input.ts";
import { type FieldViolation, InputError } from "./errors.ts";
import type { ActionContext } from "./nouns.ts";
import { measureText } from "./text-measure.ts";

const GOOD: ActionContext = {
  principal: { id: "u1", kind: "user", roles: [] },
  action: { name: "act", params: new Map() },
  environment: {},
};

const principal = (over: object): ActionContext => ({ ...GOOD, principal: { ...GOOD.principal, ...over } });
const action = (over: object): ActionContext => ({ ...GOOD, action: { ...GOOD.action, ...over } });
const params = (...entries: readonly (readonly [unknown, unknown])[]): ActionContext =>
  action({ params: new Map(entries) });
const session = (over: object): ActionContext => ({
  ...GOOD,
  session: { id: "s", startedAtMs: 0, actionCount: 0, ...over },
});
const environment = (over: object): ActionContext => ({ ...GOOD, environment: over });
const many = (count: number) => Array.from({ length: count }, (_, i) => `n${i}`);

test.each<readonly [string, ActionContext]>([
  ["an id of 256 bytes", principal({ id: "é".repeat(128) })],
  ["a role called __proto__", principal({ roles: ["__proto__", "constructor"] })],
  ["64 roles", principal({ roles: many(64) })],
  ["a resource of 1 KiB", action({ resource: "r".repeat(1024) })],
  ["64 params", params(...many(64).map((name) => [name, 1] as const))],
  ["a param called __proto__", params(["__proto__", true], ["constructor", "x"])],
  ["a string param of 4 KiB", params(["x", "y".repeat(4096)])],
  ["an empty string param", params(["x", ""])],
  ["any session id", session({ id: "not a uuid / at all" })],
  ["a session that began before 1970", session({ startedAtMs: -1000.5 })],
  ["addresses of both kinds", session({ originIp: "::ffff:10.0.0.1" })],
  ["corners of the earth", environment({ ip: "::1", geo: { countryCode: "X", latitude: -90, longitude: 180 } })],
  ["a device without a hash", environment({ device: { description: "laptop" }, userAgent: "" })],
])("%s is taken", (_what, context) => {
  expect(contextViolations(context, "context")).toEqual([]);
  expect(requireContext(context, "context")).toBe(context);
});

const TOO_LONG = "must be at most 256 bytes, is 257";

test.each<readonly [ActionContext, string, string]>([
  [principal({ id: "" }), "principal.id", "must not be empty"],
  [principal({ id: "x".repeat(257) }), "principal.id", TOO_LONG],
  [principal({ id: "a\nb" }), "principal.id", "must not contain control characters"],
  [principal({ id: "a\u0085b" }), "principal.id", "must not contain control characters"],
  [principal({ id: "\udc00" }), "principal.id", "must be well-formed Unicode"],
  [principal({ id: 5 }), "principal.id", "must be a string"],
  [principal({ kind: "robot" }), "principal.kind", "must be one of user, agent, service, scheduler, external"],
  [principal({ kind: "constructor" }), "principal.kind", "must be one of user, agent, service, scheduler, external"],
  [principal({ roles: "admin" }), "principal.roles", "must be a list of strings"],
  [principal({ roles: many(65) }), "principal.roles", "must be at most 64, are 65"],
  [principal({ roles: ["a", ""] }), "principal.roles[1]", "must not be empty"],
  [action({ name: "" }), "action.name", "must not be empty"],
  [action({ resource: "" }), "action.resource", "must not be empty"],
  [action({ resource: "r".repeat(1025) }), "action.resource", "must be at most 1024 bytes, is 1025"],
  [action({ params: { x: 1 } }), "action.params", "must be a map"],
  [params(...many(65).map((name) => [name, 1] as const)), "action.params", "must be at most 64, are 65"],
  [params(["", 1]), 'action.params[""]', "must not be empty"],
  [params(["x", Number.NaN]), 'action.params["x"]', "must be a finite number"],
  [params(["x", Number.NEGATIVE_INFINITY]), 'action.params["x"]', "must be a finite number"],
  [params(["x", null]), 'action.params["x"]', "must be a number, a string or a boolean"],
  [params(["x", ["a"]]), 'action.params["x"]', "must be a number, a string or a boolean"],
  [params(["x", "y".repeat(4097)]), 'action.params["x"]', "must be at most 4096 bytes, is 4097"],
  [session({ id: "" }), "session.id", "must not be empty"],
  [session({ startedAtMs: Number.NaN }), "session.startedAtMs", "must be a finite number"],
  [session({ startedAtMs: 9e15 }), "session.startedAtMs", "must be from -8640000000000000 to 8640000000000000"],
  [session({ actionCount: -1 }), "session.actionCount", "must be a whole number from 0 to 9007199254740991"],
  [session({ actionCount: 2 ** 53 }), "session.actionCount", "must be a whole number from 0 to 9007199254740991"],
  [session({ invalidated: "no" }), "session.invalidated", "must be a boolean"],
  [session({ originIp: "garbage" }), "session.originIp", "must be an IPv4 or IPv6 address"],
  [session({ originGeo: { countryCode: "" } }), "session.originGeo.countryCode", "must not be empty"],
  [session({ originDevice: { hash: "h".repeat(257) } }), "session.originDevice.hash", TOO_LONG],
  [environment({ ip: "" }), "environment.ip", "must be an IPv4 or IPv6 address"],
  [environment({ geo: { countryCode: "X", latitude: 90.1 } }), "environment.geo.latitude", "must be from -90 to 90"],
  [
    environment({ geo: { countryCode: "X", longitude: Number.NaN } }),
    "environment.geo.longitude",
    "must be a finite number",
  ],
  [
    environment({ geo: { countryCode: "X", city: "a\u0000" } }),
    "environment.geo.city",
    "must not contain control characters",
  ],
  [environment({ userAgent: "u".repeat(1025) }), "environment.userAgent", "must be at most 1024 bytes, is 1025"],
])("%# %s", (context, field, reason) => {
  expect(contextViolations(context, "context")).toEqual([{ field: `context.${field}`, reason }]);
});

test("all at once, as the caller spells them", () => {
  const bad = { ...principal({ id: "" }), ...{ environment: { ip: "x" } } };
  const names = new Map([["principal.id", "principalId"]]);
  const expected: FieldViolation[] = [
    { field: "principalId", reason: "must not be empty" },
    { field: "environment.ip", reason: "must be an IPv4 or IPv6 address" },
  ];
  expect(contextViolations(bad, (path) => names.get(path) ?? path)).toEqual(expected);
  const thrown = expect(() => requireContext(bad, "items[3].context"));
  thrown.toThrow(InputError);
  thrown.toThrow("items[3].context.principal.id: must not be empty; items[3].context.environment.ip: must be");
});

test("the whole is limited although each part is within its own limit", () => {
  const big = "y".repeat(4096);
  const fits = params(...many(15).map((name) => [name, big] as const));
  expect(contextViolations(fits, "context")).toEqual([]);
  const tooBig = params(...many(16).map((name) => [name, big] as const));
  expect(contextViolations(tooBig, "context")).toEqual([
    { field: "context", reason: "must be at most 65536 bytes in all" },
  ]);
});

test.each(["", "plain", "é", "€", "😀", "a😀é€", "\u0080"])("%j is measured as UTF-8 measures it", (text) => {
  expect(measureText(text).bytes).toBe(new TextEncoder().encode(text).length);
});
