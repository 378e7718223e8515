/** What the embedded gate answers: verdicts and their errors, signed permits of both formats, reloads, explanations. */
import { inspect } from "node:util";
import { MemoryAuditSink } from "@kavach/audit";
import {
  KavachKeyPair,
  PermitSigner,
  PermitToken,
  PermitVerifier,
  PqTokenSigner,
  PublicKeyDirectory,
} from "@kavach/crypto";
import { PolicyError } from "@kavach/engine";
import { type ContextInput, InputError, Invalidated, Refused } from "@kavach/model";
import { SYSTEM_CLOCK } from "@kavach/system";
import { describe, expect, it } from "vitest";
import { ActionContext } from "./action-context.ts";
import { HandClock, MOVED, POLICIES, POLICIES_TOML, refund, report, said } from "./gate.test-kit.ts";
import { Gate } from "./gate.ts";
import { InMemorySessionStore } from "./session-store.ts";

const NONE = [undefined, undefined, undefined, undefined];

function v1Signer(): PqTokenSigner {
  return PqTokenSigner.generateHybrid({ clock: SYSTEM_CLOCK });
}

describe("verdicts", () => {
  it("a permit has what the guide says, and nothing of a refusal", async () => {
    const gate = Gate.fromObject(POLICIES);
    const verdict = await gate.evaluate(refund());
    expect(verdict).toMatchObject({ kind: "permit", isPermit: true, isRefuse: false, isInvalidate: false });
    expect([verdict.code, verdict.evaluator, verdict.reason, verdict.signature]).toEqual(NONE);
    expect(verdict.policyName).toBe("support_small_refunds");
    expect(verdict.policyDigest).toBe(gate.policyDigest);
    expect(verdict.tokenId).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    expect(verdict.permit).toEqual(new Uint8Array(0));
    expect(verdict.revision).toEqual({ generation: expect.any(Number), number: 0 });
    expect(verdict.permitToken).toMatchObject({
      tokenId: verdict.tokenId,
      evaluationId: verdict.evaluationId,
      actionName: "issue_refund",
      signature: undefined,
    });
  });

  it("a refusal and an invalidation have code, evaluator, reason, and no token", async () => {
    const gate = Gate.fromObject(POLICIES);
    const refused = await gate.evaluate(refund({ roles: [] }));
    expect(refused).toMatchObject({
      kind: "refuse",
      isPermit: false,
      isRefuse: true,
      isInvalidate: false,
      code: "NO_POLICY_MATCH",
      evaluator: "policy",
    });
    const invalidated = await gate.evaluate(MOVED);
    expect(invalidated).toMatchObject({
      kind: "invalidate",
      isPermit: false,
      isRefuse: false,
      isInvalidate: true,
      evaluator: "drift",
      reason: "IP changed mid-session: 10.0.0.1 → 10.0.0.2",
      scope: { target: { kind: "session", principalId: "alice", id: "s-1" } },
      propagation: "PUBLISHED",
    });
    for (const verdict of [refused, invalidated]) {
      expect([verdict.tokenId, verdict.permit, verdict.permitToken, verdict.signature]).toEqual(NONE);
    }
    expect(invalidated.code).toBeUndefined();
  });

  it("an invalidated session stays invalidated", async () => {
    const gate = Gate.fromObject(POLICIES);
    await gate.evaluate(MOVED);
    const { originIp: _, ip: __, ...back } = MOVED;
    expect(said(await gate.evaluate(back))).toBe("SESSION_INVALID gate: session has been invalidated");
    expect(said(await gate.evaluate({ ...back, sessionId: "s-2" }))).toBe("permit");
  });

  it("without a session nothing is revoked: the scope names the evaluation", async () => {
    const evaluators = [{ name: "odd", evaluate: () => ({ kind: "invalidate", reason: "odd" }) as const }];
    const gate = Gate.fromObject(POLICIES, { evaluators });
    const verdict = await gate.evaluate(report());
    expect(verdict.isInvalidate && verdict.scope.target).toEqual({
      kind: "session",
      principalId: "alice",
      id: verdict.evaluationId,
    });
    expect(verdict.isInvalidate && verdict.propagation).toBe("UNSPECIFIED");
  });

  it("every call draws its own evaluation id", async () => {
    const gate = Gate.fromObject(POLICIES);
    const context = new ActionContext(refund());
    const verdicts = await Promise.all(Array.from({ length: 600 }, () => gate.evaluate(context)));
    expect(new Set(verdicts.map(({ evaluationId }) => evaluationId)).size).toBe(600);
    expect(new Set(verdicts.map(({ tokenId }) => tokenId)).size).toBe(600);
  });

  it("prints without the permit's bytes", async () => {
    const keyPair = KavachKeyPair.generate({ clock: SYSTEM_CLOCK });
    const gate = Gate.fromObject(POLICIES, { tokenSigner: new PermitSigner({ keyPair, clock: SYSTEM_CLOCK }) });
    const verdict = await gate.check(refund());
    expect(verdict.permit.length).toBeGreaterThan(3000);
    for (const text of [JSON.stringify(verdict), inspect(verdict, { depth: 9 })]) {
      expect(text).toContain(verdict.tokenId);
      expect(text.length).toBeLessThan(800);
    }
  });

  it("check returns the permit, and throws the rest", async () => {
    const gate = Gate.fromObject(POLICIES);
    expect((await gate.check(refund())).kind).toBe("permit");
    const refused = await gate.check(refund({ roles: [] })).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(Refused);
    expect(refused).toMatchObject({
      name: "Refused",
      code: "NO_POLICY_MATCH",
      evaluator: "policy",
      message: "[NO_POLICY_MATCH] policy: no policy permits 'issue_refund' for principal 'agent-alice'",
    });
    const invalidated = await gate.check(MOVED).catch((error: unknown) => error);
    expect(invalidated).toBeInstanceOf(Invalidated);
    expect(invalidated).toMatchObject({ name: "Invalidated", evaluator: "drift", scope: { evaluator: "drift" } });
  });

  it.each<[string, unknown, unknown]>([
    ["an unknown key of the context", { ...refund(), principal: "x" }, {}],
    ["a param that is no scalar", refund({ params: { amount: [1] as never } }), {}],
    ["an unknown option", refund(), { evaluationId: "x" }],
    ["an audience that is no list", refund(), { audience: "payments" }],
    ["an empty name in the audience", refund(), { audience: [""] }],
    ["singleUse that is no boolean", refund(), { singleUse: 1 }],
  ])("%s is an input error, and counts nothing", async (_name, context, options) => {
    const gate = Gate.fromObject(POLICIES);
    await expect(gate.evaluate(context as ContextInput, options as never)).rejects.toBeInstanceOf(InputError);
  });

  it("a closed gate decides nothing", async () => {
    const gate = Gate.fromObject(POLICIES);
    await gate.close();
    await expect(gate.evaluate(refund())).rejects.toMatchObject({ code: "CLOSED" });
  });
});

describe("signed permits", () => {
  it("format 2: bound to what was asked, for those it was meant for; single use where asked", async () => {
    const keyPair = KavachKeyPair.generate({ clock: SYSTEM_CLOCK });
    const signer = new PermitSigner({ keyPair, clock: SYSTEM_CLOCK });
    const gate = Gate.fromObject(POLICIES, { tokenSigner: signer, realm: "acme" });
    const directory = PublicKeyDirectory.inMemory([keyPair.publicKeys()]);
    const permits = gate.permits(new PermitVerifier({ directory, suite: signer.suite }));
    const context = refund();
    const { permit, signature } = await gate.check(context, { audience: ["payments"], singleUse: true });
    expect(signature).toBeUndefined();
    const action = { name: "issue_refund", params: new Map([["amount", 1500]]) };
    const expected = { realm: "acme", principalId: "agent-alice", action, audience: "payments" };
    expect(await permits.verify(permit, expected)).toEqual({ kind: "invalid", failure: "SINGLE_USE" });
    expect(await permits.redeem(permit, { ...expected, audience: "other" })).toMatchObject({ kind: "invalid" });
    expect(await permits.redeem(permit, expected)).toMatchObject({ kind: "valid" });
    expect(await permits.redeem(permit, expected)).toEqual({ kind: "invalid", failure: "ALREADY_REDEEMED" });
  });

  it("are compared with all of what is expected: what nobody compares is refused, and what is no permit fails", async () => {
    const keyPair = KavachKeyPair.generate({ clock: SYSTEM_CLOCK });
    const gate = Gate.fromObject(POLICIES, { tokenSigner: new PermitSigner({ keyPair, clock: SYSTEM_CLOCK }) });
    const directory = PublicKeyDirectory.inMemory([keyPair.publicKeys()]);
    const permits = gate.permits(new PermitVerifier({ directory }));
    const { permit } = await gate.check(refund());
    const action = { name: "issue_refund", params: new Map([["amount", 1500]]) };
    const expected = { realm: "default", principalId: "agent-alice", action, audience: "" };
    expect(await permits.verify(permit, expected)).toMatchObject({ kind: "valid" });
    for (const wrong of [
      undefined,
      null,
      { ...expected, sessionId: "s-1" },
      { ...expected, isRevoked: () => true },
      { ...expected, nowMs: 0 },
      { ...expected, action: { ...action, sessionId: "s-1" } },
    ]) {
      for (const ask of ["verify", "redeem"] as const) {
        await expect(permits[ask](permit, wrong as never)).rejects.toMatchObject({ code: "EXPECTATION_INVALID" });
      }
    }
    for (const nothing of [undefined, null, "token", [], {}]) {
      const result = await permits.verify(nothing as never, expected);
      expect(result).toEqual({ kind: "invalid", failure: "MALFORMED" });
    }
  });

  it.each(["generateHybrid", "generatePqOnly"] as const)(
    "format 1 by %s verifies by the token's own facts",
    async (make) => {
      const signer = PqTokenSigner[make]({ clock: SYSTEM_CLOCK });
      const verdict = await Gate.fromObject(POLICIES, { tokenSigner: signer }).check(refund());
      const { signature = new Uint8Array(0), ...facts } = verdict.permitToken;
      await signer.verify(new PermitToken(facts), signature);
      expect(verdict.signature).toBe(signature);
      const changed = new PermitToken({ ...facts, actionName: "delete_customer" });
      await expect(signer.verify(changed, signature)).rejects.toMatchObject({ name: "TokenError" });
      const whole = JSON.parse(Buffer.from(verdict.permit).toString()) as Record<string, unknown>;
      expect(whole).toMatchObject({ token_id: facts.tokenId, issued_at: facts.issuedAt, action_name: "issue_refund" });
      expect(whole.signature).toEqual([...signature]);
    },
  );

  it("no permit outlives its key, in either format", async () => {
    const clock = new HandClock();
    const keyPair = KavachKeyPair.generate({ clock, expiresInSeconds: 10 });
    for (const tokenSigner of [
      PqTokenSigner.fromKeypairHybrid(keyPair, { clock }),
      new PermitSigner({ keyPair, clock }),
    ]) {
      const gate = Gate.fromObject(POLICIES, { tokenSigner, clock: clock.now, onError: () => undefined });
      const { issuedAtMs, expiresAtMs } = await gate.check(refund());
      expect(expiresAtMs - issuedAtMs).toBe(10_000);
      clock.ms += 10_000;
      expect(said(await gate.evaluate(refund()))).toMatch(/^IDENTITY_FAILED gate: token signing failed: .*expired/);
      clock.ms -= 10_000;
    }
  });

  it("format 1 cannot say `observe`, nor that it is for one use: unsigned there, refused here", async () => {
    const options = { tokenSigner: v1Signer(), onError: () => undefined };
    const observed = await Gate.fromObject(POLICIES, { ...options, observeOnly: true }).check(refund());
    expect([observed.permit.length, observed.signature]).toEqual([0, undefined]);
    const refused = await Gate.fromObject(POLICIES, options).evaluate(refund(), { singleUse: true });
    expect(said(refused)).toBe("IDENTITY_FAILED gate: token signing failed: format 1 has no permits for one use");
  });

  it("a signer that fails, or returns nothing, permits nothing", async () => {
    const failing: readonly (() => unknown)[] = [
      () => Promise.reject(new Error("path /x")),
      () => {
        throw new Error("path /x");
      },
      async () => new Uint8Array(0),
      async () => undefined,
      async () => ({ token: "abc" }),
      () => new Uint8Array(3),
    ];
    for (const seal of failing) {
      const tokenSigner = { keyExpiresAtMs: Number.POSITIVE_INFINITY, seal: seal as () => Promise<Uint8Array> };
      const gate = Gate.fromObject(POLICIES, { tokenSigner, onError: () => undefined });
      expect(said(await gate.evaluate(refund()))).toBe("IDENTITY_FAILED gate: token signing failed: signer failed");
    }
  });

  it("a signer that does not know when its key expires permits nothing", async () => {
    const tokenSigner = { keyExpiresAtMs: Number.NaN, seal: async () => new Uint8Array(3) };
    expect(said(await Gate.fromObject(POLICIES, { tokenSigner }).evaluate(refund()))).toMatch(/^PERMIT_EXPIRED/);
  });
});

describe("reload", () => {
  it("swaps the set; empty TOML refuses everything; a faulty set changes nothing", async () => {
    const gate = Gate.fromObject(POLICIES, { invariants: [["hard_cap", "amount", 2000]] });
    const digest = gate.policyDigest;
    for (const faulty of ["[[policy]]\nname = 5", "not toml", { policies: [{ name: "p" }] }]) {
      expect(() => gate.reload(faulty)).toThrow(PolicyError);
      expect(gate.policyDigest).toBe(digest);
      expect(said(await gate.evaluate(refund()))).toBe("permit");
    }
    gate.reload("");
    expect(said(await gate.evaluate(refund()))).toMatch(/^NO_POLICY_MATCH/);
    gate.reload(POLICIES_TOML);
    expect(said(await gate.evaluate(refund()))).toBe("permit");
    gate.reload(JSON.stringify({ policies: [] }), { format: "json" });
    expect(said(await gate.evaluate(refund()))).toMatch(/^NO_POLICY_MATCH/);
    gate.reload(POLICIES);
    expect(said(await gate.evaluate(refund({ params: { amount: 2001 } })))).toMatch(/^INVARIANT_VIOLATION/);
  });

  it("keeps the counters", async () => {
    const gate = Gate.fromObject(POLICIES);
    const exported = report({ actionName: "export" });
    for (let n = 0; n < 2; n++) await gate.check(exported);
    gate.reload(POLICIES_TOML);
    expect(said(await gate.evaluate(exported))).toMatch(/^RATE_LIMIT_EXCEEDED/);
  });

  it("a decision under way goes on with the set it began with", async () => {
    const begun = Promise.withResolvers<void>();
    const reloaded = Promise.withResolvers<{ kind: "pass" }>();
    const evaluate = () => {
      begun.resolve();
      return reloaded.promise;
    };
    const evaluators = [{ name: "slow", evaluate }];
    const gate = Gate.fromObject(POLICIES, { evaluators });
    const digest = gate.policyDigest;
    const deciding = gate.evaluate(refund());
    await begun.promise;
    gate.reload("");
    reloaded.resolve({ kind: "pass" });
    const verdict = await deciding;
    expect([said(verdict), verdict.policyDigest]).toEqual(["permit", digest]);
  });
});

describe("explain", () => {
  it("tells policies, detectors and invariants, and what it would find; charges and mints nothing", async () => {
    const sink = new MemoryAuditSink();
    const gate = Gate.fromObject(POLICIES, { invariants: [["hard_cap", "amount", 10]], audit: { sink } });
    const told = await gate.explain(refund({ sessionId: "s", originIp: "10.0.0.1", ip: "10.0.0.1" }));
    expect(told.policyDigest).toBe(gate.policyDigest);
    expect(told.policies.map(({ name, outcome }) => [name, outcome])).toEqual([
      ["support_small_refunds", "holds"],
      ["allow_fetch_report", "fails"],
      ["few_exports", "fails"],
    ]);
    expect(told.drift.map(({ signal }) => signal)).toEqual(["stable", "stable", "stable", "stable"]);
    expect(told.invariants).toMatchObject([{ name: "hard_cap", holds: false }]);
    expect(told.finding).toMatchObject({ code: "INVARIANT_VIOLATION" });
    for (let n = 0; n < 5; n++) await gate.explain(report({ actionName: "export" }));
    expect(said(await gate.evaluate(report({ actionName: "export" })))).toBe("permit");
    expect(sink.records).toHaveLength(1);
  });

  it("explains with the facts of a kept session, and says what is revoked", async () => {
    const gate = Gate.fromObject(POLICIES, { sessionStore: new InMemorySessionStore() });
    const session = report({ sessionId: "s", ip: "10.0.0.1" });
    await gate.evaluate(session);
    const told = await gate.explain({ ...session, ip: "10.0.0.2" });
    expect(told.drift[0]).toMatchObject({ detector: "geo_drift", signal: "violation" });
    expect(told.revoked).toBeUndefined();
    await gate.evaluate({ ...session, ip: "10.0.0.2" });
    expect((await gate.explain(session)).revoked).toMatchObject({ reason: "session has been invalidated" });
  });
});
