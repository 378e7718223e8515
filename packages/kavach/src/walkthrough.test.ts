/** The gate's part of the guide's end-to-end walkthrough, with the one package that a user installs. */
import { join } from "node:path";
import { REPO, startGateProcess } from "@kavach/testkit";
import { describe, expect, it } from "vitest";
import {
  ActionContext,
  Caller,
  type Checker,
  Gate,
  GateClient,
  GateUnavailable,
  GeoLocation,
  guarded,
  InMemoryInvalidationBroadcaster,
  Invalidated,
  type InvalidationScope,
  KavachKeyPair,
  PermitToken,
  PqTokenSigner,
  Refused,
  spawnInvalidationListener,
  withCaller,
} from "./index.ts";

const POLICY = {
  policies: [
    {
      name: "support_small_refunds",
      effect: "permit",
      conditions: [
        { identity_role: "support" },
        { action: "issue_refund" },
        { param_max: { field: "amount", max: 5000.0 } },
      ],
    },
    { name: "allow_fetch_report", effect: "permit", conditions: [{ action: "fetch_report" }] },
  ],
};

const alice = { principalId: "agent-alice", principalKind: "agent", roles: ["support"] } as const;
const small = new ActionContext({ ...alice, actionName: "issue_refund", params: { amount: 1500 } });

function signedGate() {
  const signer = PqTokenSigner.generateHybrid();
  const gate = Gate.fromObject(POLICY, {
    invariants: [["hard_cap", "amount", 10_000]],
    tokenSigner: signer,
    geoDriftMaxKm: 500,
  });
  return { gate, signer };
}

describe("the walkthrough", () => {
  it("1, 2: a signed gate permits, and the permit verifies; another action under it does not", async () => {
    const { gate, signer } = signedGate();
    const verdict = await gate.evaluate(small);
    if (!verdict.isPermit) throw new Error(verdict.reason);
    const { tokenId, evaluationId, issuedAt, expiresAt, actionName, signature } = verdict.permitToken;
    if (signature === undefined) throw new Error("unsigned");
    const facts = { tokenId, evaluationId, issuedAt, expiresAt, actionName };
    await signer.verify(new PermitToken(facts), signature);
    await expect(signer.verify(new PermitToken({ ...facts, actionName: "other" }), signature)).rejects.toThrow();
    const other = PqTokenSigner.fromKeypairHybrid(KavachKeyPair.generate());
    await expect(other.verify(new PermitToken(facts), signature)).rejects.toThrow();
  });

  it("3: an invariant holds where a policy would permit", async () => {
    const { gate } = signedGate();
    expect((await gate.evaluate(small.withParam("amount", 25_000))).isRefuse).toBe(true);
    const wide = structuredClone(POLICY);
    gate.reload({ policies: [{ ...wide.policies[0], conditions: [] }] });
    expect(await gate.evaluate(small.withParam("amount", 25_000))).toMatchObject({ code: "INVARIANT_VIOLATION" });
  });

  it("4: a guarded function runs within the limits alone", async () => {
    const { gate } = signedGate();
    const issueRefund = guarded(
      gate,
      { action: "issue_refund", params: ([, amount]: [orderId: string, amount: number]) => ({ amount }) },
      async (orderId: string, amount: number) => ({ status: "refunded", orderId, amount }),
    );
    const caller = new Caller(alice);
    expect(await issueRefund(caller, "ORD-1", 500)).toEqual({ status: "refunded", orderId: "ORD-1", amount: 500 });
    await expect(withCaller(caller, () => issueRefund("ORD-2", 999_999))).rejects.toBeInstanceOf(Refused);
  });

  it("5: a session may move a little, not far, and not to where nobody can tell", async () => {
    const { gate } = signedGate();
    const bangalore = new GeoLocation("IN", { city: "Bangalore", latitude: 12.97, longitude: 77.59 });
    const chennai = new GeoLocation("IN", { city: "Chennai", latitude: 13.08, longitude: 80.27 });
    const paris = new GeoLocation("FR", { city: "Paris", latitude: 48.86, longitude: 2.35 });
    const report = { principalId: "alice", principalKind: "user", actionName: "fetch_report" } as const;
    expect((await gate.evaluate({ ...report, ip: "10.0.0.1", originGeo: bangalore, currentGeo: chennai })).kind).toBe(
      "permit",
    );
    const moved = { ...report, sessionId: "s-1", originIp: "10.0.0.1", ip: "10.9.9.9", originGeo: bangalore };
    expect((await gate.evaluate({ ...moved, currentGeo: chennai })).kind).toBe("permit");
    await expect(gate.check({ ...moved, currentGeo: paris })).rejects.toBeInstanceOf(Invalidated);
    expect(await gate.evaluate({ ...moved, sessionId: "s-2" })).toMatchObject({
      kind: "invalidate",
      reason: expect.stringContaining("geo distance is unverifiable"),
    });
  });

  it("9: an empty policy text is the kill switch, and a new set is taken at once", async () => {
    const { gate } = signedGate();
    gate.reload("");
    expect((await gate.evaluate(small)).isRefuse).toBe(true);
    gate.reload(POLICY);
    expect((await gate.evaluate(small)).isPermit).toBe(true);
  });

  it("single node: a listener hears of every invalidate verdict in the process", async () => {
    const broadcaster = new InMemoryInvalidationBroadcaster();
    const gate = Gate.fromObject(POLICY, { broadcaster });
    const told: InvalidationScope[] = [];
    const handle = spawnInvalidationListener(broadcaster, (scope) => told.push(scope));
    await gate.evaluate({
      ...alice,
      actionName: "fetch_report",
      sessionId: "sess-1",
      originIp: "10.0.0.1",
      ip: "10.0.0.2",
    });
    await expect.poll(() => told.length, { timeout: 10_000 }).toBe(1);
    handle.abort();
    expect(told[0]).toMatchObject({ target: { kind: "session", id: "sess-1" }, evaluator: "drift" });
  });
});

describe("guards on a client of a cluster", () => {
  const agent = new Caller({ principalId: "agent-bot", principalKind: "agent" });

  function payments(checker: Checker) {
    const done: number[] = [];
    const options = { action: "issue_refund", params: ([amount]: [amount: number]) => ({ amount }) };
    return { done, pay: guarded(checker, options, (amount: number) => done.push(amount)) };
  }

  it("run what the node permits, and nothing else", async () => {
    await using node = await startGateProcess({ args: ["--config", join(REPO, "examples/gate-node.toml")] });
    using client = new GateClient({ endpoints: node.address });
    const { done, pay } = payments(client);
    await pay(agent, 500);
    const refused = await pay(agent, 5000).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(Refused);
    expect(refused).toMatchObject({ code: "NO_POLICY_MATCH" });
    expect(done).toEqual([500]);
    const verdict = await client.evaluate({ ...agent.facts, actionName: "issue_refund", params: { amount: 5 } });
    expect(verdict).toMatchObject({ isPermit: true, permitToken: { actionName: "issue_refund" } });
  });

  it("run nothing where no node answers", async () => {
    // Nothing listens on the discard port.
    using client = new GateClient({ endpoints: "127.0.0.1:9", deadlineMs: 500 });
    const { done, pay } = payments(client);
    await expect(pay(agent, 5)).rejects.toBeInstanceOf(GateUnavailable);
    expect(done).toEqual([]);
  });
});
