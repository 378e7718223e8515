import { describe, expect, it, vi } from "vitest";
import { SUITES } from "../algorithms.ts";
import { paramsDigest } from "../digests.ts";
import { PublicKeyDirectory } from "../directory/directory.ts";
import type { PermitClaimsInit } from "./claims.ts";
import type { PermitFailureCode } from "./failure.ts";
import { claimsOf, clockAt, EXPIRES_MS, expectationOf, generate, NOW_MS, PARAMS } from "./permit-fixture.ts";
import { PermitSigner } from "./signer.ts";
import { type PermitExpectation, PermitVerifier } from "./verifier.ts";

const keyPair = generate();
const clock = clockAt(NOW_MS);
const signer = new PermitSigner({ keyPair, clock });
const directory = PublicKeyDirectory.inMemory([keyPair.publicKeys()]);
const verifier = new PermitVerifier({ directory });

async function outcome(claims: Partial<PermitClaimsInit>, expected: Partial<PermitExpectation>) {
  const verified = await verifier.verify(await signer.seal(claimsOf(claims)), expectationOf(expected));
  return verified.kind === "valid" ? "valid" : verified.failure;
}

const action = (change: object) => ({
  action: { name: "issue_refund", resource: "orders/1", params: PARAMS, ...change },
});

const MATRIX: [string, Partial<PermitClaimsInit>, Partial<PermitExpectation>, PermitFailureCode | "valid"][] = [
  ["what was permitted", {}, {}, "valid"],
  ["another realm", {}, { realm: "Default" }, "REALM_MISMATCH"],
  ["another principal", {}, { principalId: "agent-8" }, "PRINCIPAL_MISMATCH"],
  ["another action", {}, action({ name: "issue_refunds" }), "ACTION_MISMATCH"],
  ["another resource", {}, action({ resource: "orders/2" }), "RESOURCE_MISMATCH"],
  [
    "no resource where one was permitted",
    {},
    { action: { name: "issue_refund", params: PARAMS } },
    "RESOURCE_MISMATCH",
  ],
  ["a resource where none was permitted", { resource: "" }, {}, "RESOURCE_MISMATCH"],
  ["another param value", {}, action({ params: new Map([...PARAMS, ["amount", 250.51]]) }), "PARAMS_MISMATCH"],
  ["another param type", {}, action({ params: new Map([...PARAMS, ["amount", "250.5"]]) }), "PARAMS_MISMATCH"],
  ["one param more", {}, action({ params: new Map([...PARAMS, ["memo", ""]]) }), "PARAMS_MISMATCH"],
  ["no params", {}, action({ params: new Map() }), "PARAMS_MISMATCH"],
  ["params in another order", {}, action({ params: new Map([...PARAMS].reverse()) }), "valid"],
  ["an audience where none was named", {}, { audience: "payments" }, "AUDIENCE_MISMATCH"],
  ["no audience where one was named", { audience: ["payments"] }, {}, "AUDIENCE_MISMATCH"],
  ["an empty audience where one was named", { audience: ["payments"] }, { audience: "" }, "AUDIENCE_MISMATCH"],
  ["another audience", { audience: ["payments"] }, { audience: "Payments" }, "AUDIENCE_MISMATCH"],
  ["one of two audiences", { audience: ["ledger", "payments"] }, { audience: "payments" }, "valid"],
  ["2 s before its time", { notBeforeMs: NOW_MS + 2000 }, { nowMs: NOW_MS }, "valid"],
  ["2,001 ms before its time", { notBeforeMs: NOW_MS + 2001 }, { nowMs: NOW_MS }, "NOT_YET_VALID"],
  ["1 ms before skew ends", {}, { nowMs: EXPIRES_MS + 1999 }, "valid"],
  ["expired by 1 ms beyond skew", {}, { nowMs: EXPIRES_MS + 2000 }, "EXPIRED"],
  ["a permit that only observes", { mode: "observe" }, {}, "OBSERVE_MODE"],
  ["a permit that only observes, asked for", { mode: "observe" }, { allowObserve: true }, "valid"],
  ["single use without a redeemer", { singleUse: true }, {}, "SINGLE_USE"],
  ["single use with a redeemer", { singleUse: true }, { allowSingleUse: true }, "valid"],
  ["revoked", {}, { isRevoked: () => true }, "REVOKED"],
  ["not revoked", {}, { isRevoked: () => false }, "valid"],
];

describe("PermitVerifier: what is compared", () => {
  it.each(MATRIX)("%s", async (_, claims, expected, wanted) => {
    expect(await outcome(claims, expected)).toBe(wanted);
  });

  it("without skew, a permit expires to the millisecond", async () => {
    const strict = new PermitVerifier({ directory, skewMs: 0 });
    const token = await signer.seal(claimsOf());
    expect(await strict.verify(token, expectationOf({ nowMs: EXPIRES_MS - 1 }))).toMatchObject({ kind: "valid" });
    expect(await strict.verify(token, expectationOf({ nowMs: EXPIRES_MS }))).toMatchObject({ failure: "EXPIRED" });
    expect(await strict.verify(token, expectationOf({ nowMs: NOW_MS - 0.5 }))).toMatchObject({
      failure: "NOT_YET_VALID",
    });
  });

  it("hands the whole claims to the revocation check, and returns them", async () => {
    const isRevoked = vi.fn(() => false);
    const verified = await verifier.verify(await signer.seal(claimsOf()), expectationOf({ isRevoked }));
    expect(isRevoked).toHaveBeenCalledWith(
      expect.objectContaining({ sessionId: "s-1", roles: ["support", "refunds"], principalId: "agent-7" }),
    );
    expect(verified).toMatchObject({ kind: "valid", claims: { revision: { generation: 1n, number: 42n } } });
  });

  it.each([
    { realm: "" },
    { principalId: "" },
    { principalId: undefined },
    { action: undefined },
    { action: { name: "", params: new Map() } },
    { action: { name: "issue_refund" } },
    { action: { name: "issue_refund", params: new Map([["amount", Number.NaN]]) } },
    { action: { name: "issue_refund", params: new Map([["memo", "\ud800"]]) } },
    { nowMs: Number.NaN },
    { nowMs: undefined },
    { isRevoked: null },
    { isRevoked: false },
    { sessionId: "s-1" },
    { resource: "orders/1" },
    { action: { name: "issue_refund", params: PARAMS, audience: "payments" } },
  ])("refuses to verify against %o", async (change) => {
    const token = await signer.seal(claimsOf());
    const expected = { ...expectationOf(), ...change } as PermitExpectation;
    await expect(verifier.verify(token, expected)).rejects.toMatchObject({ code: "EXPECTATION_INVALID" });
  });

  it("refuses to verify against nothing", async () => {
    const token = await signer.seal(claimsOf());
    for (const nothing of [undefined, null]) {
      await expect(verifier.verify(token, nothing as never)).rejects.toMatchObject({ code: "EXPECTATION_INVALID" });
    }
  });

  it("compares with what it was asked, whatever the caller makes of its expectation meanwhile", async () => {
    const token = await signer.seal(claimsOf());
    const wrong = { ...expectationOf({ principalId: "agent-8" }) };
    const verifying = new PermitVerifier({ directory }).verify(token, wrong);
    wrong.principalId = "agent-7";
    expect(await verifying).toMatchObject({ failure: "PRINCIPAL_MISMATCH" });
  });

  it("does not let a caller that reuses its buffer change what it gets", async () => {
    const token = await signer.seal(claimsOf());
    const verifying = new PermitVerifier({ directory }).verify(token, expectationOf());
    token.fill(0);
    const verified = await verifying;
    expect(verified).toMatchObject({ kind: "valid", claims: { paramsDigest: paramsDigest(PARAMS) } });
  });
});

describe("PermitVerifier: keys", () => {
  it.each(SUITES)("built for %s, it refuses the other suite and takes its own", async (suite) => {
    for (const other of SUITES) {
      const token = await new PermitSigner({ keyPair, clock, suite: other }).seal(claimsOf());
      const verified = await new PermitVerifier({ directory, suite }).verify(token, expectationOf());
      expect(verified).toMatchObject(suite === other ? { kind: "valid" } : { failure: "SUITE_MISMATCH" });
    }
  });

  it("refuses a key it does not know, one that expired, and one that was taken away after a head was verified", async () => {
    const mine = generate(60);
    const keys = PublicKeyDirectory.inMemory();
    const remembering = new PermitVerifier({ directory: keys });
    const token = await new PermitSigner({ keyPair: mine, clock }).seal(claimsOf());
    const verify = (nowMs = NOW_MS + 1) => remembering.verify(token, expectationOf({ nowMs }));
    expect(await verify()).toMatchObject({ failure: "KEY_UNKNOWN" });
    keys.insert(mine.publicKeys());
    expect(await verify()).toMatchObject({ kind: "valid" });
    expect(await verify(NOW_MS + 59_999)).not.toMatchObject({ failure: "KEY_EXPIRED" });
    expect(await verify(NOW_MS + 60_000)).toMatchObject({ failure: "KEY_EXPIRED" });
    // The same keys under an expiry that was brought forward: what the directory says now counts.
    keys.insert({ ...mine.publicKeys(), expiresAt: new Date(NOW_MS + 1).toISOString() });
    expect(await verify()).toMatchObject({ failure: "KEY_EXPIRED" });
    keys.insert(mine.publicKeys());
    expect(await verify()).toMatchObject({ kind: "valid" });
    keys.remove(mine.id);
    expect(await verify()).toMatchObject({ failure: "KEY_UNKNOWN" });
  });

  it("refuses when the directory fails, and when it answers with another key", async () => {
    const token = await signer.seal(claimsOf());
    const other = generate();
    const answers: (() => Promise<unknown>)[] = [
      () => Promise.reject(new Error("gone")),
      async () => other.publicKeys(),
      async () => ({ ...other.publicKeys(), id: keyPair.id }),
      async () => undefined,
      // The right keys, and nothing that says how long they count.
      async () => ({ ...keyPair.publicKeys(), expiresAt: undefined }),
      async () => ({ ...keyPair.publicKeys(), expiresAt: "some day" }),
    ];
    for (const fetch of answers) {
      const lying = new PermitVerifier({ directory: { fetch } as unknown as PublicKeyDirectory });
      expect(await lying.verify(token, expectationOf())).toMatchObject({ failure: "KEY_UNKNOWN" });
    }
  });

  it.each([
    { skewMs: -1 },
    { skewMs: Number.NaN },
    { verifiedHeadsMax: 0 },
    { suite: "" },
    { skew: 1 },
    { directory: {} },
  ])("refuses option %o", (option) => {
    expect(() => new PermitVerifier({ directory, ...(option as object) })).toThrow(
      expect.objectContaining({ code: "OPTION_INVALID" }),
    );
  });
});
