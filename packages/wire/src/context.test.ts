import { create, fromBinary, fromJson, toBinary, toJson } from "@bufbuild/protobuf";
import { ActionContextSchema, PrincipalKind } from "@kavach/api";
import { type ActionContext, InputError, type ParamValue } from "@kavach/model";
import { describe, expect, test } from "vitest";
import { contextFromWire, contextToWire } from "./context.ts";

const NOW_MS = 1_800_000_000_000;

function violationsOf(read: () => unknown): string[] {
  try {
    read();
  } catch (error) {
    if (error instanceof InputError) return error.violations.map((v) => `${v.field}: ${v.reason}`);
    throw error;
  }
  return [];
}

const FULL: ActionContext = {
  principal: { id: "bot-1", kind: "agent", roles: ["support", "__proto__"] },
  action: {
    name: "issue_refund",
    resource: "orders/1",
    params: new Map<string, ParamValue>([
      ["amount", 500.5],
      ["currency", "EUR"],
      ["urgent", false],
      ["__proto__", 7],
      ["constructor", "x"],
    ]),
  },
  session: {
    id: "s-1",
    startedAtMs: NOW_MS - 60_000.25,
    actionCount: 3,
    originIp: "10.0.0.1",
    originGeo: { countryCode: "IN", city: "Chennai", latitude: 13.08, longitude: 80.27 },
    originDevice: { hash: "h" },
  },
  environment: {
    ip: "2001:db8::1",
    geo: { countryCode: "IN", region: "TN" },
    device: { hash: "h", description: "laptop" },
    userAgent: "x/1",
  },
};

describe("context", () => {
  test("survives the round trip through bytes and through JSON, ordinary names such as __proto__ included", () => {
    const message = contextToWire(FULL);
    const bytes = fromBinary(ActionContextSchema, toBinary(ActionContextSchema, message));
    expect(contextFromWire(bytes, "context", NOW_MS)).toEqual(FULL);
    const json = fromJson(ActionContextSchema, toJson(ActionContextSchema, message));
    expect(contextFromWire(json, "context", NOW_MS)).toEqual(FULL);
  });

  test("an absent session start is now, empty text is an absent fact", () => {
    const message = create(ActionContextSchema, {
      principal: { id: "a", kind: PrincipalKind.USER },
      action: { name: "act" },
      session: { sessionId: "s", originDevice: {} },
      environment: {},
    });
    expect(contextFromWire(message, "context", NOW_MS)).toEqual({
      principal: { id: "a", kind: "user", roles: [] },
      action: { name: "act", params: new Map() },
      session: { id: "s", startedAtMs: NOW_MS, startAssumed: true, actionCount: 0 },
      environment: {},
    });
  });

  const json = (patch: object) =>
    fromJson(ActionContextSchema, {
      principal: { id: "a", kind: "PRINCIPAL_KIND_USER" },
      action: { name: "act" },
      ...patch,
    });
  const params = (value: object) => ({ action: { name: "act", params: value as Record<string, string> } });

  test.each([
    ["null param", params({ a: null }), 'c.action.params["a"]: must be a number, a string or a boolean'],
    ["list param", params({ a: [1] }), 'c.action.params["a"]: must be a number, a string or a boolean'],
    ["object param", params({ "x.y": {} }), 'c.action.params["x.y"]: must be a number, a string or a boolean'],
    ["long string", params({ a: "é".repeat(2049) }), 'c.action.params["a"]: must be at most 4096 bytes, is 4098'],
    ["control character", params({ a: "x\u0085" }), 'c.action.params["a"]: must not contain control characters'],
    ["zone id", { environment: { ip: "fe80::1%eth0" } }, "c.environment.ip: must be an IPv4 or IPv6 address"],
    [
      "unset kind",
      { principal: { id: "a" } },
      "c.principal.kind: must be one of user, agent, service, scheduler, external",
    ],
    ["no session id", { session: {} }, "c.session.session_id: must not be empty"],
    ["origin", { session: { sessionId: "s", originIp: "1" } }, "c.session.origin_ip: must be an IPv4 or IPv6 address"],
  ])("refuses %s", (_, patch, violation) => {
    expect(violationsOf(() => contextFromWire(json(patch), "c", NOW_MS))).toEqual([violation]);
  });

  test.each([Number.NaN, Number.POSITIVE_INFINITY])(
    "refuses the param %s, which only the binary form can carry",
    (value) => {
      const action = { ...FULL.action, params: new Map([["amount", value]]) };
      const message = contextToWire({ ...FULL, action });
      expect(violationsOf(() => contextFromWire(message, "context", NOW_MS))).toEqual([
        'context.action.params["amount"]: must be a finite number',
      ]);
    },
  );

  test.each([
    [{ seconds: -62_135_596_801n, nanos: 0 }],
    [{ seconds: 253_402_300_800n, nanos: 0 }],
    [{ seconds: 0n, nanos: -1 }],
    [{ seconds: 0n, nanos: 1_000_000_000 }],
  ])("refuses the instant %o", (startedAt) => {
    const message = contextToWire(FULL);
    const session = {
      ...message.session!,
      startedAt: { $typeName: "google.protobuf.Timestamp" as const, ...startedAt },
    };
    expect(violationsOf(() => contextFromWire({ ...message, session }, "context", NOW_MS))).toEqual([
      "context.session.started_at: must lie in the years 1 to 9999, with nanos from 0 to 999999999",
    ]);
  });

  test("a session that is void cannot be sent as one that is valid", () => {
    expect(() => contextToWire({ ...FULL, session: { ...FULL.session!, invalidated: true } })).toThrow("void");
  });
});
