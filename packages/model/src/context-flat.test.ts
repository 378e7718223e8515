import { describe, expect, test } from "vitest";
import { type ContextInput, contextFromInput } from "./context-flat.ts";
import { InputError } from "./errors.ts";

const READING = { nowMs: 1_800_000_000_000, unnamedSessionId: "00000000-0000-4000-8000-000000000001" };
const BARE: ContextInput = { principalId: "bot", principalKind: "agent", actionName: "issue_refund" };

function violationsOf(input: unknown): string[] {
  try {
    contextFromInput(input as ContextInput, READING);
  } catch (error) {
    if (error instanceof InputError) return error.violations.map((v) => `${v.field}: ${v.reason}`);
    throw error;
  }
  return [];
}

describe("contextFromInput", () => {
  test("the least that a decision needs", () => {
    expect(contextFromInput(BARE, READING)).toEqual({
      principal: { id: "bot", kind: "agent", roles: [] },
      action: { name: "issue_refund", params: new Map() },
      environment: {},
    });
  });

  test("every key, params of all three kinds kept as they are", () => {
    const geo = { countryCode: "IN", city: "Chennai", latitude: 13.08, longitude: 80.27 };
    const params = JSON.parse('{"amount": 1500.5, "flag": true, "text": "x", "__proto__": 7}');
    const context = contextFromInput(
      {
        ...BARE,
        roles: ["support"],
        resource: "orders/1",
        params,
        ip: "10.0.0.1",
        sessionId: "s",
        originIp: "10.0.0.2",
        currentGeo: geo,
        originGeo: geo,
        device: { hash: "a" },
        originDevice: { hash: "b", description: "phone" },
        sessionStartedAt: new Date(5000),
        actionCount: 4,
        userAgent: "x/1",
      },
      READING,
    );
    expect([...context.action.params]).toEqual([
      ["amount", 1500.5],
      ["flag", true],
      ["text", "x"],
      ["__proto__", 7],
    ]);
    expect(context.session).toEqual({
      id: "s",
      startedAtMs: 5000,
      actionCount: 4,
      originIp: "10.0.0.2",
      originGeo: geo,
      originDevice: { hash: "b", description: "phone" },
    });
    expect(context.environment).toEqual({ ip: "10.0.0.1", geo, device: { hash: "a" }, userAgent: "x/1" });
  });

  test("a start in Unix seconds; facts without a name get the evaluation's", () => {
    expect(contextFromInput({ ...BARE, sessionStartedAt: 12.5 }, READING).session).toEqual({
      id: READING.unnamedSessionId,
      startedAtMs: 12_500,
      actionCount: 0,
    });
    expect(contextFromInput({ ...BARE, originIp: "10.0.0.1" }, READING).session?.startedAtMs).toBe(READING.nowMs);
  });

  test.each([
    [{ ...BARE, princpalId: "x" }, "princpalId: is not a known key"],
    [{ ...BARE, device: { hsah: "x" } }, "device.hsah: is not a known key"],
    [{ ...BARE, originGeo: null }, "originGeo: must be an object"],
    [{ ...BARE, currentGeo: { countryCode: "IN", latitude: 91 } }, "currentGeo.latitude: must be from -90 to 90"],
    [{ ...BARE, roles: null }, "roles: must be a list of strings"],
    [{ ...BARE, roles: ["ok", ""] }, "roles[1]: must not be empty"],
    [{ ...BARE, sessionId: null }, "sessionId: must be a string"],
    [{ ...BARE, params: [1] }, "params: must be an object or a map"],
    [{ ...BARE, params: { a: null } }, 'params["a"]: must be a number, a string or a boolean'],
    [{ ...BARE, params: { a: 1n } }, 'params["a"]: must be a number, a string or a boolean'],
    [{ ...BARE, params: { a: Number.NaN } }, 'params["a"]: must be a finite number'],
    [{ ...BARE, params: { a: undefined } }, 'params["a"]: must be a number, a string or a boolean'],
    [{ ...BARE, sessionStartedAt: new Date(Number.NaN) }, "sessionStartedAt: must be a finite number"],
    [{ ...BARE, sessionStartedAt: "2026" }, "sessionStartedAt: must be a finite number"],
    [{ ...BARE, ip: "010.0.0.1" }, "ip: must be an IPv4 or IPv6 address"],
    [{ ...BARE, actionCount: -1 }, "actionCount: must be a whole number from 0 to 9007199254740991"],
    [{ ...BARE, principalKind: "robot" }, "principalKind: must be one of user, agent, service, scheduler, external"],
    [null, "context: must be an object"],
  ])("refuses %o", (input, violation) => {
    expect(violationsOf(input)).toEqual([violation]);
  });
});
