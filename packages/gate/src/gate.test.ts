/** The embedded gate as its user meets it: five factories, every option, verdicts, errors, explanations. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AuditError, MemoryAuditSink } from "@kavach/audit";
import { PqTokenSigner } from "@kavach/crypto";
import { GateOptionError, PolicyError } from "@kavach/engine";
import { type ContextInput, UnavailableError } from "@kavach/model";
import { MemoryStore, type RateLimitStore } from "@kavach/store";
import { SYSTEM_CLOCK } from "@kavach/system";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { HandClock, MOVED, POLICIES, POLICIES_TOML, refund, report, said } from "./gate.test-kit.ts";
import { Gate } from "./gate.ts";
import type { GateOptions } from "./gate-options.ts";
import { InMemorySessionStore } from "./session-store.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "kavach-gate-"));
  writeFileSync(join(folder, "p.json"), JSON.stringify(POLICIES));
  writeFileSync(join(folder, "p.toml"), POLICIES_TOML);
});
afterAll(() => rmSync(folder, { recursive: true }));

async function ask(options: GateOptions, context: ContextInput): Promise<string> {
  return said(await Gate.fromObject(POLICIES, options).evaluate(context));
}

describe("factories", () => {
  const makers: readonly (readonly [string, (options?: GateOptions) => Gate])[] = [
    ["fromObject", (options) => Gate.fromObject(POLICIES, options)],
    ["fromJsonString", (options) => Gate.fromJsonString(JSON.stringify(POLICIES), options)],
    ["fromJsonFile", (options) => Gate.fromJsonFile(join(folder, "p.json"), options)],
    ["fromToml", (options) => Gate.fromToml(POLICIES_TOML, options)],
    ["fromFile", (options) => Gate.fromFile(join(folder, "p.toml"), options)],
  ];
  it.each(makers)("%s takes the same policies and options, and decides alike", async (_name, make) => {
    const gate = make({ invariants: [["hard_cap", "amount", 4000]] });
    expect(gate.policyDigest).toBe(Gate.fromObject(POLICIES).policyDigest);
    expect(said(await gate.evaluate(refund()))).toBe("permit");
    expect(said(await gate.evaluate(refund({ params: { amount: 4500 } })))).toBe(
      "INVARIANT_VIOLATION invariants: invariant 'hard_cap' violated: parameter 'amount' must be at most 4000",
    );
    expect(() => make({ invariant: [] } as GateOptions)).toThrow(GateOptionError);
  });

  it.each([
    ["an empty object", () => Gate.fromObject({})],
    ["an empty list", () => Gate.fromObject({ policies: [] })],
    ["empty TOML", () => Gate.fromToml("")],
    ["empty JSON", () => Gate.fromJsonString("{}")],
  ])("%s is the kill switch", async (_name, make) => {
    expect(said(await make().evaluate(refund()))).toBe(
      "NO_POLICY_MATCH policy: no policy permits 'issue_refund' for principal 'agent-alice'",
    );
  });

  it.each([
    [
      "an unknown field",
      () => Gate.fromToml('[[policy]]\nname = "p"\nefect = "permit"\nconditions = []'),
      "did you mean 'effect'",
    ],
    ["a file that is not there", () => Gate.fromFile("/nowhere/p.toml"), "/nowhere/p.toml: cannot be read: ENOENT"],
    ["no object", () => Gate.fromObject(null as never), "must be an object"],
  ])("%s is a load error", (_name, make, message) => {
    expect(make).toThrow(PolicyError);
    expect(make).toThrow(message);
  });
});

describe("options", () => {
  it("names every fault at once, and what was probably meant", () => {
    const options = {
      observeOnyl: true,
      maxSessionActions: -1,
      geoDriftMaxKm: Number.NaN,
      permitTtlSeconds: 0.5,
      singleUse: "sometimes",
      realm: "",
      audit: { mode: "required" },
      evaluators: [{ name: "drift", evaluate: () => ({ kind: "pass" }) }, { name: "x" }],
      tokenSigner: {},
      store: {},
      broadcaster: { publish: () => undefined, local: true },
      drift: { actionRateMaks: 3 },
      clock: 5,
    };
    const make = () => Gate.fromObject(POLICIES, options as never);
    expect(make).toThrow(GateOptionError);
    try {
      make();
    } catch (error) {
      const { faults } = error as GateOptionError;
      expect(faults.map(({ path, message, suggestion }) => [path, message, suggestion]).sort()).toEqual([
        ["audit.sink", "must be an audit sink", undefined],
        ["broadcaster", "must be a broadcaster", undefined],
        ["clock", "goes with state in memory only, not with 'store'", undefined],
        ["clock", "must be a function", undefined],
        ["drift.actionRateMaks", "unknown key 'actionRateMaks'", "actionRateMax"],
        ["evaluators[1]", "must be an evaluator: { name, evaluate }", undefined],
        ["geoDriftMaxKm", "must be a finite number, is NaN", undefined],
        ["maxSessionActions", "must be at least 0, is -1", undefined],
        ["observeOnyl", "unknown key 'observeOnyl'", "observeOnly"],
        ["permitTtlSeconds", "must be at least 1, is 0.5", undefined],
        ["realm", "must be 1 to 256 bytes without control characters", undefined],
        ["singleUse", "must be one of on_request, when_limited, always, is 'sometimes'", undefined],
        ["store", "must be a store", undefined],
        ["tokenSigner", "must be a PermitSigner or a PqTokenSigner", undefined],
      ]);
    }
  });

  it.each<[string, GateOptions]>([
    [
      "an evaluator of a name that the gate uses",
      { evaluators: [{ name: "drift", evaluate: () => ({ kind: "pass" }) }] },
    ],
    ["a clock beside a shared store", { clock: () => 0, store: new MemoryStore(SYSTEM_CLOCK) }],
    ["permits for one use in a format without them", { singleUse: "always", tokenSigner: v1Signer() }],
    [
      "two invariants of one name",
      {
        invariants: [
          ["a", "x", 1],
          ["a", "y", 1],
        ],
      },
    ],
    ["a distance among the other thresholds", { drift: { geoMaxKm: 5 } as never }],
    ["more than the longest life of a permit", { permitTtlSeconds: 301 }],
  ])("refuses %s", (_name, options) => {
    expect(() => Gate.fromObject(POLICIES, options)).toThrow(GateOptionError);
  });

  const far = { originIp: "10.0.0.1", ip: "10.0.0.2", sessionId: "s" };
  const chennai = { countryCode: "IN", city: "Chennai", latitude: 13.08, longitude: 80.27 };
  const bangalore = { countryCode: "IN", city: "Bangalore", latitude: 12.97, longitude: 77.59 };
  it.each<[string, GateOptions, ContextInput, string]>([
    [
      "invariants, object form",
      { invariants: [{ kind: "param_min", name: "floor", field: "amount", min: 2000 }] },
      refund(),
      "INVARIANT_VIOLATION invariants: invariant 'floor' violated: parameter 'amount' must be at least 2000",
    ],
    [
      "maxSessionActions",
      { maxSessionActions: 3 },
      report({ sessionId: "s", actionCount: 4 }),
      "INVARIANT_VIOLATION invariants: invariant 'max_session_actions' violated: maximum 3 actions per session",
    ],
    ["enableDrift on", {}, report(far), "invalidate drift: IP changed mid-session: 10.0.0.1 → 10.0.0.2"],
    ["enableDrift off", { enableDrift: false }, report(far), "permit"],
    [
      "geoDriftMaxKm, within",
      { geoDriftMaxKm: 500 },
      report({ ...far, originGeo: bangalore, currentGeo: chennai }),
      "permit",
    ],
    [
      "geoDriftMaxKm, beyond",
      { geoDriftMaxKm: 100 },
      report({ ...far, originGeo: bangalore, currentGeo: chennai }),
      "invalidate drift: IP changed mid-session and moved 290.6km (> 100.0km threshold): 10.0.0.1 → 10.0.0.2 (current geo: IN/Chennai)",
    ],
    [
      "geoDriftMaxKm, unverifiable",
      { geoDriftMaxKm: 500 },
      report(far),
      "invalidate drift: IP changed mid-session and geo distance is unverifiable: 10.0.0.1 → 10.0.0.2",
    ],
    [
      "drift thresholds",
      { drift: { actionRateMax: 10 } },
      report({ sessionId: "s", actionCount: 11 }),
      "invalidate drift: action rate (11/min) exceeds violation threshold (10)",
    ],
    [
      "evaluators",
      { evaluators: [{ name: "fraud", evaluate: async () => ({ kind: "refuse", reason: "looks odd" }) }] },
      refund(),
      "POLICY_DENIED fraud: looks odd",
    ],
    [
      "rateStore that is away: what is limited is refused",
      { rateStore: awayStore(), onError: () => undefined },
      report({ actionName: "export" }),
      "POLICY_DENIED policy: rate-limit backend unavailable",
    ],
    ["rateStore that is away: what is not limited is untouched", { rateStore: awayStore() }, report(), "permit"],
    [
      "audit required",
      { audit: { sink: brokenSink(), mode: "required" }, onError: () => undefined },
      refund(),
      "POLICY_DENIED gate: audit unavailable",
    ],
    ["audit in best effort", { audit: { sink: brokenSink() }, onError: () => undefined }, refund(), "permit"],
  ])("%s", async (_name, options, context, expected) => {
    expect(await ask(options, context)).toBe(expected);
  });

  it("observeOnly blocks nothing, says what it would have done, and publishes nothing", async () => {
    const gate = Gate.fromObject(POLICIES, { observeOnly: true });
    const verdict = await gate.evaluate(MOVED);
    expect(said(verdict)).toBe("permit");
    expect(verdict.observed).toMatchObject({ kind: "invalidate", evaluator: "drift" });
    expect((await gate.evaluate(MOVED)).observed).toMatchObject({ kind: "invalidate" });
    expect((await gate.evaluate(report())).observed).toMatchObject({ kind: "permit" });
  });

  it("a limit counts: the third of two is refused, and says when there is a place again", async () => {
    const clock = new HandClock();
    const gate = Gate.fromObject(POLICIES, { clock: clock.now });
    const exported = () => gate.evaluate(report({ actionName: "export" }));
    expect([said(await exported()), said(await exported())]).toEqual(["permit", "permit"]);
    clock.ms += 60_000;
    const third = await exported();
    expect(said(third)).toBe("RATE_LIMIT_EXCEEDED policy: rate limit of policy 'few_exports' exceeded");
    expect(third.isRefuse && third.retryAfterMs).toBe(59 * 60_000);
    clock.ms += 59 * 60_000;
    expect(said(await exported())).toBe("permit");
  });

  it("rateStore and store are shared between gates; without them each counts alone", async () => {
    const exported = report({ actionName: "export" });
    for (const shared of [{ rateStore: new MemoryStore(SYSTEM_CLOCK) }, { store: new MemoryStore(SYSTEM_CLOCK) }, {}]) {
      const gates = [Gate.fromObject(POLICIES, shared), Gate.fromObject(POLICIES, shared)] as const;
      for (const gate of gates) expect(said(await gate.evaluate(exported))).toBe("permit");
      const third = said(await gates[0].evaluate(exported));
      expect(third.startsWith("RATE_LIMIT_EXCEEDED")).toBe(Object.keys(shared).length > 0);
    }
  });

  it("realm: counters of one realm are not those of another", async () => {
    const store = new MemoryStore(SYSTEM_CLOCK);
    const exported = report({ actionName: "export" });
    const [acme, other] = [
      Gate.fromObject(POLICIES, { store, realm: "acme" }),
      Gate.fromObject(POLICIES, { store, realm: "other" }),
    ] as const;
    for (let n = 0; n < 3; n++) await acme.evaluate(exported);
    expect(said(await acme.evaluate(exported))).toMatch(/^RATE_LIMIT_EXCEEDED/);
    expect(said(await other.evaluate(exported))).toBe("permit");
  });

  it("sessionStore: a session is what its first use was, whatever a later call says", async () => {
    const gate = Gate.fromObject(POLICIES, { sessionStore: new InMemorySessionStore(), maxSessionActions: 1 });
    const first = report({ sessionId: "s", ip: "10.0.0.1" });
    expect(said(await gate.evaluate(first))).toBe("permit");
    expect(said(await gate.evaluate({ ...first, actionCount: 0 }))).toBe("permit");
    expect(said(await gate.evaluate({ ...first, actionCount: 0 }))).toMatch(/^INVARIANT_VIOLATION .*1 actions/);
    const moved = { ...first, ip: "10.0.0.2", originIp: "10.0.0.2" };
    expect(said(await gate.evaluate(moved))).toBe("invalidate drift: IP changed mid-session: 10.0.0.1 → 10.0.0.2");
  });

  it("sessionStore is shared between gates, the one that was made first and the one that was made last", async () => {
    const sessionStore = new InMemorySessionStore();
    const invalidate = { kind: "invalidate", reason: "stolen", target: { kind: "principal", id: "alice" } } as const;
    let stolen = false;
    const evaluators = [{ name: "theft", evaluate: () => (stolen ? invalidate : ({ kind: "pass" } as const)) }];
    const one = Gate.fromObject(POLICIES, { sessionStore, evaluators });
    await one.evaluate(report({ sessionId: "of-one", ip: "10.0.0.1" }));
    const two = Gate.fromObject(POLICIES, { sessionStore });
    await two.evaluate(report({ sessionId: "of-two", ip: "10.0.0.1" }));
    for (const gate of [one, two]) {
      for (const sessionId of ["of-one", "of-two"]) {
        expect(said(await gate.evaluate(report({ sessionId, ip: "10.0.0.1" })))).toBe("permit");
      }
    }
    // A principal that one gate invalidates is void there in every session that began before, whoever opened it.
    stolen = true;
    await one.evaluate(report({ sessionId: "of-one", ip: "10.0.0.1" }));
    stolen = false;
    for (const sessionId of ["of-one", "of-two"]) {
      expect(said(await one.evaluate(report({ sessionId })))).toBe(
        "SESSION_INVALID gate: session has been invalidated",
      );
    }
  });

  it("permitTtlSeconds is the life of a permit", async () => {
    for (const [permitTtlSeconds, lifeMs] of [
      [undefined, 30_000],
      [1, 1000],
      [300, 300_000],
      [2.5, 2500],
    ] as const) {
      const verdict = await Gate.fromObject(POLICIES, { permitTtlSeconds }).check(refund());
      expect(verdict.expiresAtMs - verdict.issuedAtMs).toBe(lifeMs);
    }
  });

  it("clock: a gate whose clock returns no number decides nothing", async () => {
    for (const clock of [() => Number.NaN, () => "1" as never, () => undefined as never]) {
      const gate = Gate.fromObject(POLICIES, { clock });
      await expect(gate.evaluate(refund())).rejects.toMatchObject({ name: "GateError", code: "CLOCK_INVALID" });
    }
  });

  it("audit: every verdict is recorded, the permit's bytes are not", async () => {
    const sink = new MemoryAuditSink();
    const gate = Gate.fromObject(POLICIES, { audit: { sink, mode: "required" } });
    await gate.evaluate(refund());
    await gate.evaluate(refund({ roles: [] }));
    await gate.evaluate(MOVED);
    expect(sink.records.map(({ found }) => found.kind)).toEqual(["permit", "refuse", "invalidate"]);
  });

  it("audit: the facts that a verdict rests on are recorded, a kept session's rather than the caller's", async () => {
    const sink = new MemoryAuditSink();
    const sessionStore = new InMemorySessionStore();
    const gate = Gate.fromObject(POLICIES, { sessionStore, audit: { sink, mode: "required" } });
    const here = { countryCode: "DE", latitude: 52.5, longitude: 13.4 };
    const first = report({
      sessionId: "s",
      ip: "10.0.0.1",
      currentGeo: here,
      device: { hash: "laptop" },
      roles: ["support"],
    });
    await gate.evaluate(first);
    await gate.evaluate({ ...first, originIp: "10.9.9.9", originGeo: { countryCode: "XX" }, actionCount: 77 });
    const now = { ip: "10.0.0.1", country: "DE", latitude: 52.5, longitude: 13.4, device: "laptop" };
    const origin = Object.fromEntries(Object.entries(now).map(([name, value]) => [`session_origin_${name}`, value]));
    expect(sink.records[1]?.facts).toEqual({
      ...{ principal_kind: first.principalKind, principal_roles: ["support"], ...now, ...origin },
      ...{ session_stored: true, session_action_count: 1, session_started_at_ms: expect.any(Number) },
    });
    await Gate.fromObject(POLICIES, { audit: { sink } }).evaluate(report());
    expect(sink.records[2]?.facts).toEqual({ principal_kind: first.principalKind });
  });

  it("audit: the caller that the application names is recorded, and no other", async () => {
    const sink = new MemoryAuditSink();
    const gate = Gate.fromObject(POLICIES, { audit: { sink, mode: "required" } });
    await gate.evaluate(refund(), { caller: "billing-job" });
    await gate.check(refund());
    expect(sink.records.map(({ caller }) => caller)).toEqual(["billing-job", ""]);
    for (const caller of ["", "a\u0007", "a".repeat(257), 7 as never]) {
      await expect(gate.evaluate(refund(), { caller })).rejects.toMatchObject({ violations: [{ field: "caller" }] });
    }
    expect(sink.records).toHaveLength(2);
  });
});

function v1Signer(): PqTokenSigner {
  return PqTokenSigner.generateHybrid({ clock: SYSTEM_CLOCK });
}

function awayStore(): RateLimitStore {
  const away = () => Promise.reject(new UnavailableError("STORE_UNAVAILABLE", "away"));
  return { admit: away, ping: away, close: async () => undefined };
}

function brokenSink() {
  return { append: () => Promise.reject(new AuditError("WRITE_FAILED", "disk full")), close: async () => undefined };
}
