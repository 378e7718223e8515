/** The conductor on memory twins: which verdict comes of what, and that nothing leaves which should not. */
import { MemoryAuditSink } from "@kavach/audit";
import { KavachKeyPair, PermitSigner, PermitVerifier, PublicKeyDirectory, randomBytes, sha256 } from "@kavach/crypto";
import { compileGateRules, loadPolicySet } from "@kavach/engine";
import type { DecisionRequest } from "@kavach/model";
import { type ActionContext, type Clock, UnavailableError, uuidFromRandom } from "@kavach/model";
import { MemoryRevocationLog, MemoryStore, type Store } from "@kavach/store";
import { describe, expect, it } from "vitest";
import { Conductor } from "./conductor.ts";
import { EmbeddedView } from "./embedded-view.ts";
import { Outbox } from "./outbox.ts";
import type { GateParts } from "./parts.ts";
import { Permits } from "./permits.ts";
import { PolicyBook } from "./policy-book.ts";
import { gateMetrics } from "./telemetry.ts";

const REFUNDS = `
[[policy]]
name = "agent_small_refunds"
effect = "permit"
conditions = [{ identity_kind = "agent" }, { action = "issue_refund" }, { param_max = { field = "amount", max = 1000.0 } }]

[[policy]]
name = "few_reports"
effect = "permit"
conditions = [{ action = "fetch_report" }, { rate_limit = { max = 2, window = "1h" } }]
`;

class HandClock implements Clock {
  ms = 1_800_000_000_000;
  nowMs = () => this.ms;
  monotonicMs = () => this.ms;
}

function context(
  change: Partial<ActionContext> & { amount?: number; ip?: string; originIp?: string } = {},
): ActionContext {
  const { amount = 500, ip, originIp, ...rest } = change;
  return {
    principal: { id: "agent-bot", kind: "agent", roles: [] },
    action: { name: "issue_refund", params: new Map([["amount", amount]]) },
    environment: ip === undefined ? {} : { ip },
    ...(originIp !== undefined && {
      session: { id: "s-1", startedAtMs: 1_800_000_000_000 - 60_000, actionCount: 0, originIp },
    }),
    ...rest,
  };
}

async function world(change: Partial<GateParts> = {}) {
  const clock = new HandClock();
  const log = new MemoryRevocationLog(clock);
  const revocations = await EmbeddedView.open(log, clock);
  const store: Store = change.store ?? new MemoryStore(clock);
  const keyPair = KavachKeyPair.generate({ clock });
  const signer = new PermitSigner({ keyPair, clock });
  const verifier = new PermitVerifier({
    directory: PublicKeyDirectory.inMemory([keyPair.publicKeys()]),
    suite: signer.suite,
  });
  const rules = compileGateRules({ invariants: [["hard_cap", "amount", 800]] });
  const set = loadPolicySet({ format: "toml", text: REFUNDS }, sha256);
  const sink = new MemoryAuditSink();
  const reports: string[] = [];
  const publish = (realm: string, scope: Parameters<typeof revocations.publish>[1], key: string) =>
    revocations.publish(realm, scope, key);
  const outbox = new Outbox({ publish, waitMs: 50, retryMs: 10, onFailure: () => {} });
  const parts: GateParts = {
    policies: new PolicyBook(
      { set: loadPolicySet({ format: "toml", text: "" }, sha256), rules },
      new Map([["default", { set, rules }]]),
    ),
    store,
    revocations,
    outbox,
    signer,
    audit: { sink, mode: "required" },
    evaluators: [],
    clock,
    random: randomBytes,
    metrics: gateMetrics(),
    session: { mode: "inline", lifetimeMs: 86_400_000 },
    permitTtlMs: 30_000,
    singleUse: "on_request",
    observeOnly: false,
    report: (_error, what) => reports.push(what),
    ...change,
  };
  const gate = new Conductor(parts);
  const ask = (c: ActionContext, more: Partial<DecisionRequest> = {}) =>
    gate.evaluate({
      realm: "default",
      evaluationId: uuidFromRandom(randomBytes(16)),
      context: c,
      audience: [],
      singleUse: false,
      ...more,
    });
  const permits = new Permits({ verifier, revocations, store, clock });
  return { ask, clock, gate, log, permits, reports, revocations, sink };
}

const refusal = (code: string, evaluator: string, reason: string) => ({ kind: "refuse", code, evaluator, reason });

describe("a decision", () => {
  it("permits with a token that verifies for what was asked, and for nothing else", async () => {
    const { ask, permits } = await world();
    const decision = await ask(context());
    if (decision.verdict.kind !== "permit") throw new Error(JSON.stringify(decision.verdict));
    const { token } = decision.verdict.permit;
    const expected = { realm: "default", principalId: "agent-bot", action: context().action, audience: "" };
    expect(await permits.verify(token, expected)).toMatchObject({
      kind: "valid",
      claims: { principalId: "agent-bot" },
    });
    const other = { ...expected, action: context({ amount: 501 }).action };
    expect(await permits.verify(token, other)).toEqual({ kind: "invalid", failure: "PARAMS_MISMATCH" });
    expect(await permits.verify(token, { ...expected, realm: "elsewhere" })).toEqual({
      kind: "invalid",
      failure: "REALM_MISMATCH",
    });
  });

  it.each([
    [
      "no policy",
      context({ amount: 5000 }),
      refusal("NO_POLICY_MATCH", "policy", "no policy permits 'issue_refund' for principal 'agent-bot'"),
    ],
    [
      "an invariant",
      context({ amount: 900 }),
      refusal(
        "INVARIANT_VIOLATION",
        "invariants",
        "invariant 'hard_cap' violated: parameter 'amount' must be at most 800",
      ),
    ],
  ])("refuses: %s", async (_name, asked, expected) => {
    const { ask, sink } = await world();
    const decision = await ask(asked);
    expect(decision.verdict).toEqual(expected);
    expect(sink.records).toHaveLength(1);
  });

  it("permits nothing in a realm without policies", async () => {
    const { ask } = await world();
    expect((await ask(context(), { realm: "other" })).verdict).toMatchObject({
      kind: "refuse",
      code: "NO_POLICY_MATCH",
    });
  });

  it("invalidates on drift, and refuses that session from then on", async () => {
    const { ask, log } = await world();
    const drifted = await ask(context({ originIp: "10.0.0.1", ip: "10.0.0.2" }));
    expect(drifted.verdict).toMatchObject({
      kind: "invalidate",
      scope: { evaluator: "drift", target: { kind: "session", id: "s-1" } },
    });
    expect(drifted.propagation).toBe("published");
    expect((await log.head()).head.number).toBe(1);
    const after = await ask(context({ originIp: "10.0.0.1", ip: "10.0.0.1" }));
    expect(after.verdict).toEqual(refusal("SESSION_INVALID", "gate", "session has been invalidated"));
    expect((await ask(context())).verdict.kind).toBe("permit");
  });
});

describe("limits", () => {
  const report = context({ action: { name: "fetch_report", params: new Map() } });

  it("charges a retry once and answers it with the same permit", async () => {
    const { ask } = await world();
    const evaluationId = "0b8f7a52-6a0a-4c3e-9d0e-000000000001";
    const [first, again] = [await ask(report, { evaluationId }), await ask(report, { evaluationId })];
    if (first.verdict.kind !== "permit" || again.verdict.kind !== "permit") throw new Error("not permitted");
    expect(again.verdict.permit.tokenId).toBe(first.verdict.permit.tokenId);
    expect((await ask(report)).verdict.kind).toBe("permit");
    const over = await ask(report);
    expect(over.verdict).toEqual(
      refusal("RATE_LIMIT_EXCEEDED", "policy", "rate limit of policy 'few_reports' exceeded"),
    );
    expect(over.retryAfterMs).toBeGreaterThan(0);
  });

  it("calls another request under a charged id an input error", async () => {
    const { ask } = await world();
    const evaluationId = "0b8f7a52-6a0a-4c3e-9d0e-000000000002";
    await ask(report, { evaluationId });
    await expect(ask(report, { evaluationId, audience: ["payments"] })).rejects.toMatchObject({ name: "InputError" });
  });

  it("refuses a retry whose permit has run out", async () => {
    const { ask, clock } = await world();
    const evaluationId = "0b8f7a52-6a0a-4c3e-9d0e-000000000003";
    await ask(report, { evaluationId });
    clock.ms += 30_500;
    expect((await ask(report, { evaluationId })).verdict).toMatchObject({ kind: "refuse", code: "PERMIT_EXPIRED" });
  });

  it("refuses what it cannot count, and only that", async () => {
    const gone = new UnavailableError("STORE_UNAVAILABLE", "gone");
    const store = { admit: async () => Promise.reject(gone) } as unknown as Store;
    const { ask } = await world({ store });
    expect((await ask(report)).verdict).toEqual(refusal("POLICY_DENIED", "policy", "rate-limit backend unavailable"));
    expect((await ask(context())).verdict.kind).toBe("permit");
  });
});

describe("settling", () => {
  const revokeAgent = { target: { kind: "principal", id: "agent-bot" }, reason: "stolen", evaluator: "test" } as const;

  it("withholds a permit that is revoked while it is signed; without the last look it would leave", async () => {
    const { ask, revocations } = await world({
      signer: {
        keyExpiresAtMs: Number.POSITIVE_INFINITY,
        seal: async () => {
          await revocationsOf().publish("default", revokeAgent, "");
          return new Uint8Array([1]);
        },
      },
    });
    const revocationsOf = () => revocations;
    expect((await ask(context())).verdict).toEqual(refusal("SESSION_INVALID", "gate", "session has been invalidated"));
  });

  it("refuses when the signer fails, and never sends an unsigned permit", async () => {
    const seal = async () => Promise.reject(new Error("secret path /x"));
    const { ask } = await world({ signer: { keyExpiresAtMs: Number.POSITIVE_INFINITY, seal } });
    expect((await ask(context())).verdict).toEqual(
      refusal("IDENTITY_FAILED", "gate", "token signing failed: signer failed"),
    );
  });

  it("refuses a permit that could not be recorded where the record is required", async () => {
    const sink = { append: async () => Promise.reject(new Error("disk full")), close: async () => {} };
    const { ask } = await world({ audit: { sink, mode: "required" } });
    expect((await ask(context())).verdict).toEqual(refusal("POLICY_DENIED", "gate", "audit unavailable"));
    expect((await ask(context({ amount: 5000 }))).verdict).toMatchObject({ code: "NO_POLICY_MATCH" });
    const lenient = await world({ audit: { sink, mode: "best_effort" } });
    expect((await lenient.ask(context())).verdict.kind).toBe("permit");
  });

  it("blocks nothing when it only observes, and says what it would have done", async () => {
    const { ask, sink, log, permits } = await world({ observeOnly: true });
    const decision = await ask(context({ originIp: "10.0.0.1", ip: "10.0.0.2" }));
    if (decision.verdict.kind !== "permit") throw new Error("blocked");
    expect(decision.observed?.kind).toBe("invalidate");
    expect(sink.records[0]).toMatchObject({ found: { kind: "invalidate" }, returned: "permit" });
    expect(sink.records[0]?.facts).toMatchObject({ session_stored: false, session_action_count: 0 });
    expect((await log.head()).head.number).toBe(0);
    const expected = { realm: "default", principalId: "agent-bot", action: context().action, audience: "" };
    expect(await permits.verify(decision.verdict.permit.token, expected)).toEqual({
      kind: "invalid",
      failure: "OBSERVE_MODE",
    });
  });

  it("lets a custom evaluator refuse, and calls one that throws a refusal", async () => {
    const evaluators = [{ name: "fraud", evaluate: () => Promise.reject(new Error("down")) }];
    const { ask } = await world({ evaluators });
    expect((await ask(context())).verdict).toEqual(refusal("POLICY_DENIED", "fraud", "evaluator 'fraud' failed"));
  });

  it("redeems a permit once", async () => {
    const { ask, permits } = await world({ singleUse: "always" });
    const decision = await ask(context());
    if (decision.verdict.kind !== "permit") throw new Error("not permitted");
    const expected = { realm: "default", principalId: "agent-bot", action: context().action, audience: "" };
    const { token } = decision.verdict.permit;
    expect(await permits.verify(token, expected)).toEqual({ kind: "invalid", failure: "SINGLE_USE" });
    const results = await Promise.all(Array.from({ length: 50 }, () => permits.redeem(token, expected)));
    expect(results.filter(({ kind }) => kind === "valid")).toHaveLength(1);
    expect(results.filter((r) => r.kind === "invalid" && r.failure === "ALREADY_REDEEMED")).toHaveLength(49);
  });
});
