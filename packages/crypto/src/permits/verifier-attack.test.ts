import { create } from "@bufbuild/protobuf";
import { type PermitClaims, PermitClaimsSchema, RevisionSchema, type SignedPermit } from "@kavach/api";
import { describe, expect, it, vi } from "vitest";
import { DOMAINS, HYBRID_SUITE, type Suite } from "../algorithms.ts";
import { PublicKeyDirectory } from "../directory/directory.ts";
import type { KavachKeyPair } from "../keys/key-pair.ts";
import { keyIdOf } from "../keys/public-key-bundle.ts";
import { provider } from "../provider.ts";
import { claimsOf, clockAt, expectationOf, generate, NOW_MS } from "./permit-fixture.ts";
import { alterClaims, alterToken, type Forgery, forge, readToken } from "./permit-forge.ts";
import { PermitSigner } from "./signer.ts";
import { PermitVerifier } from "./verifier.ts";

const keyPair = generate();
const mallory = generate();
const clock = clockAt(NOW_MS);
const directory = PublicKeyDirectory.inMemory([keyPair.publicKeys()]);
const keyId = keyIdOf(keyPair.publicKeys(), HYBRID_SUITE);
const token = await new PermitSigner({ keyPair, clock }).seal(claimsOf());

async function outcome(bytes: Uint8Array, suite: Suite = HYBRID_SUITE) {
  const verified = await new PermitVerifier({ directory, suite }).verify(bytes, expectationOf());
  return verified.kind === "valid" ? "valid" : verified.failure;
}
const forged = (change: Partial<Forgery> & { readonly keyPair?: KavachKeyPair } = {}) =>
  forge({ keyPair, claims: readToken(token).claims, suite: HYBRID_SUITE, keyId, ...change });

/** Every claim but version, suite and key id, each changed to something that is itself well-formed. */
const CHANGES: Partial<PermitClaims>[] = [
  { realm: "other" },
  { tokenId: new Uint8Array(16) },
  { evaluationId: new Uint8Array(16) },
  { principalId: "agent-8" },
  { principalKind: 1 },
  { roles: ["support"] },
  { sessionId: "" },
  { action: "delete_order" },
  { resource: "orders/2" },
  { paramsDigest: new Uint8Array(32) },
  { audience: ["payments"] },
  { policyDigest: new Uint8Array(32) },
  { revision: create(RevisionSchema, { generation: 2n }) },
  { issuedAtMs: BigInt(NOW_MS - 1) },
  { notBeforeMs: BigInt(NOW_MS + 1) },
  { expiresAtMs: BigInt(NOW_MS + 60_000) },
  { singleUse: true },
  { mode: 2 },
  // Bytes moved over the border of two fields.
  { action: "issue_refun", resource: "dorders/1" },
  { principalId: "agent-", roles: ["7support", "refunds"] },
];

describe("a forged permit", () => {
  it("is told from a real one made by the same means (the tests below can fail)", async () => {
    expect(await outcome(await forged())).toBe("valid");
  });

  it.each(CHANGES)("with claim %o changed under the old signature does not verify", async (change) => {
    const claims = alterClaims(token, change);
    expect(await outcome(alterToken(token, (permit) => void Object.assign(permit, { claims })))).toBe(
      "SIGNATURE_INVALID",
    );
    expect(await outcome(await forged({ claims }))).not.toBe("SIGNATURE_INVALID");
  });

  // Under the old signature, too, each of these three is looked at before it.
  it.each([
    [{ version: 3 }, "MALFORMED"],
    [{ suite: "ml-dsa-65" }, "SUITE_MISMATCH"],
    [{ keyId: keyIdOf(mallory.publicKeys(), HYBRID_SUITE) }, "SIGNATURE_INVALID"],
  ] as const)("with claim %o changed under the old signature fails with %s", async (change, failure) => {
    const claims = alterClaims(token, change);
    expect(await outcome(alterToken(token, (permit) => void Object.assign(permit, { claims })))).toBe(failure);
  });

  it("was tried with every claim that there is", () => {
    const tried = new Set([...CHANGES.flatMap(Object.keys), "version", "suite", "keyId"]);
    expect([...tried].sort()).toEqual(PermitClaimsSchema.fields.map(({ localName }) => localName).sort());
    expect(tried.size).toBe(21);
  });

  it("that names another suite or key in its claims than in its head does not verify", async () => {
    expect(await outcome(await forged({ claims: alterClaims(token, { suite: "ml-dsa-65" }) }))).toBe("SUITE_MISMATCH");
    expect(await outcome(await forged({ claims: alterClaims(token, { keyId: "0".repeat(32) }) }))).toBe(
      "SIGNATURE_INVALID",
    );
    expect(await outcome(await forged({ claims: alterClaims(token, { version: 1 }) }))).toBe("MALFORMED");
    expect(await outcome(await forged({ claims: alterClaims(token, { version: 3 }) }))).toBe("MALFORMED");
  });

  it("signed by another key under the right id does not verify", async () => {
    expect(await outcome(await forged({ keyPair: mallory }))).toBe("SIGNATURE_INVALID");
  });

  it("with one signature by another key, or from another batch, does not verify", async () => {
    const theirs = readToken(await forged({ keyPair: mallory })).head;
    const again = readToken(await forged({ claims: alterClaims(token, { action: "delete_order" }) })).head;
    for (const head of [theirs, again]) {
      for (const part of ["mlDsaSignature", "ed25519Signature"] as const) {
        const swapped = alterToken(
          token,
          (permit) => void Object.assign(permit.head as object, { [part]: head?.[part] }),
        );
        expect(await outcome(swapped)).toBe("SIGNATURE_INVALID");
      }
    }
  });

  it("stripped of its Ed25519 signature and relabelled passes no verifier", async () => {
    const stripped = alterToken(token, (permit) => {
      Object.assign(permit.head as object, { suite: "ml-dsa-65", ed25519Signature: new Uint8Array(0) });
    });
    expect(await outcome(stripped)).toBe("SUITE_MISMATCH");
    expect(await outcome(stripped, "ml-dsa-65")).toBe("SUITE_MISMATCH");
    const claims = alterClaims(token, { suite: "ml-dsa-65", keyId: keyIdOf(keyPair.publicKeys(), "ml-dsa-65") });
    const relabelled = alterToken(stripped, (permit) => {
      Object.assign(permit, { claims });
      Object.assign(permit.head as object, { keyId: keyIdOf(keyPair.publicKeys(), "ml-dsa-65") });
    });
    expect(await outcome(relabelled, "ml-dsa-65")).toBe("SIGNATURE_INVALID");
  });

  it.each(Object.entries(DOMAINS).filter(([, domain]) => domain !== DOMAINS.permit))(
    "whose head was signed as %s does not verify",
    async (_, domain) => {
      expect(await outcome(await forged({ domain }))).toBe("SIGNATURE_INVALID");
    },
  );
});

const MALFORMED: [string, (permit: SignedPermit) => void][] = [
  ["no signatures", (p) => void Object.assign(p.head as object, { mlDsaSignature: new Uint8Array(0) })],
  ["no Ed25519 signature", (p) => void Object.assign(p.head as object, { ed25519Signature: new Uint8Array(0) })],
  ["a short signature", (p) => void Object.assign(p.head as object, { mlDsaSignature: new Uint8Array(3308) })],
  ["a long signature", (p) => void Object.assign(p.head as object, { ed25519Signature: new Uint8Array(65) })],
  ["no head", (p) => void delete p.head],
  ["no claims", (p) => void Object.assign(p, { claims: new Uint8Array(0) })],
  ["an index outside", (p) => void Object.assign(p, { index: 1 })],
  ["an empty batch", (p) => void Object.assign(p.head as object, { size: 0 })],
  ["a batch of 513", (p) => void Object.assign(p.head as object, { size: 513 })],
  ["a path of 10", (p) => void Object.assign(p, { path: Array.from({ length: 10 }, () => new Uint8Array(32)) })],
  ["a short hash in its path", (p) => void Object.assign(p, { path: [new Uint8Array(31)] })],
  ["a short root", (p) => void Object.assign(p.head as object, { root: new Uint8Array(31) })],
  ["an unknown suite", (p) => void Object.assign(p.head as object, { suite: "ml-dsa-87" })],
  ["a key id of the old format", (p) => void Object.assign(p.head as object, { keyId: keyPair.id })],
  ["claims with an unknown field", (p) => void Object.assign(p, { claims: Uint8Array.of(...p.claims, 0xf8, 0x01, 1) })],
  ["claims with a repeated field", (p) => void Object.assign(p, { claims: Uint8Array.of(8, 2, ...p.claims) })],
  ["claims that are no protobuf", (p) => void Object.assign(p, { claims: Uint8Array.of(0xff) })],
];

describe("a permit that is not canonical", () => {
  it.each(MALFORMED)("with %s is malformed", async (_, change) => {
    expect(await outcome(alterToken(token, change))).toBe("MALFORMED");
  });

  it("with bytes missing, added, or spelt otherwise is malformed", async () => {
    for (let length = 0; length < token.length; length += length < 300 ? 1 : 97) {
      expect(await outcome(token.subarray(0, length))).toBe("MALFORMED");
    }
    expect(await outcome(Uint8Array.of(...token, 0))).toBe("MALFORMED");
    expect(await outcome(Uint8Array.of(...token, 0x28, 1))).toBe("MALFORMED");
    expect(await outcome(Uint8Array.of(...token, 0x10, 0))).toBe("MALFORMED");
    expect(await outcome(Uint8Array.of(...token, ...token))).toBe("MALFORMED");
    expect(await outcome(new Uint8Array(64 * 1024 + 1))).toBe("MALFORMED");
    expect(await outcome("token" as unknown as Uint8Array)).toBe("MALFORMED");
  });

  it("and none with a single bit flipped verifies", { timeout: 120_000 }, async () => {
    const verifier = new PermitVerifier({ directory });
    expect(await verifier.verify(token, expectationOf())).toMatchObject({ kind: "valid" });
    const flips = Array.from({ length: token.length * 8 }, (_, bit) => bit);
    while (flips.length > 0) {
      await Promise.all(
        flips.splice(-64).map(async (bit) => {
          const flipped = token.slice();
          flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
          expect(await verifier.verify(flipped, expectationOf()), `bit ${bit}`).toMatchObject({ kind: "invalid" });
        }),
      );
    }
  });
});

describe("permits of one batch", () => {
  it.each([2, 3, 5, 8, 33])("of %i verify with their own path alone", async (size) => {
    const signer = new PermitSigner({ keyPair, clock });
    const batch = await Promise.all(Array.from({ length: size }, (_, i) => signer.seal(claimsOf({}, i))));
    const verifier = new PermitVerifier({ directory });
    for (const [i, mine] of batch.entries()) {
      const other = readToken(batch[(i + 1) % size] as Uint8Array);
      const swap = (parts: Partial<SignedPermit>) =>
        verifier.verify(
          alterToken(mine, (permit) => void Object.assign(permit, parts)),
          expectationOf(),
        );
      expect(await verifier.verify(mine, expectationOf())).toMatchObject({ kind: "valid" });
      expect(await swap({ claims: other.claims })).toMatchObject({ failure: "SIGNATURE_INVALID" });
      expect(await swap({ index: other.index })).toMatchObject({ failure: "SIGNATURE_INVALID" });
      expect(await swap({ path: other.path })).toMatchObject({ failure: "SIGNATURE_INVALID" });
      expect(await swap({ path: [] })).toMatchObject({ failure: "SIGNATURE_INVALID" });
    }
  });

  it("cost one signature check together, at once or later, and only as long as they are remembered", async () => {
    const check = vi.spyOn(provider, "verifyInBackground");
    const signer = new PermitSigner({ keyPair, clock });
    const verifier = new PermitVerifier({ directory, verifiedHeadsMax: 1 });
    const verifyAll = (batch: Uint8Array[]) => Promise.all(batch.map((one) => verifier.verify(one, expectationOf())));
    const batch = await Promise.all([1, 2, 3].map((i) => signer.seal(claimsOf({}, i))));
    expect(await verifyAll(batch)).toMatchObject([{ kind: "valid" }, { kind: "valid" }, { kind: "valid" }]);
    expect(await verifyAll(batch)).toMatchObject([{ kind: "valid" }, { kind: "valid" }, { kind: "valid" }]);
    expect(check).toHaveBeenCalledTimes(1);
    await verifyAll([token]);
    await verifyAll(batch);
    expect(check).toHaveBeenCalledTimes(3);
    check.mockRestore();
  });
});
