import { describe, expect, it } from "vitest";
import { PublicKeyDirectory } from "../directory/directory.ts";
import { clockAt, generate, NOW_MS } from "../permits/permit-fixture.ts";
import { randomBytes } from "../provider.ts";
import { DirectoryTokenVerifier } from "./directory-token-verifier.ts";
import { PermitToken } from "./permit-token.ts";
import { PqTokenSigner } from "./pq-token-signer.ts";

const clock = clockAt(NOW_MS);
const TOKEN = {
  tokenId: "00112233-4455-6677-8899-aabbccddeeff",
  evaluationId: "01234567-89ab-cdef-0123-456789abcdef",
  issuedAt: 1_700_000_000,
  expiresAt: 1_700_000_030,
  actionName: "issue_refund",
};
const token = new PermitToken(TOKEN);

describe("PqTokenSigner", () => {
  it("takes only its own mode, from either of two that share keys", async () => {
    const keyPair = generate();
    const hybrid = PqTokenSigner.fromKeypairHybrid(keyPair, { clock });
    const pqOnly = PqTokenSigner.fromKeypairPqOnly(keyPair, { clock });
    expect([hybrid.isHybrid, pqOnly.isHybrid, hybrid.keyId, pqOnly.keyId]).toEqual([
      true,
      false,
      keyPair.id,
      keyPair.id,
    ]);
    await hybrid.verify(token, await hybrid.sign(token));
    await pqOnly.verify(token, await pqOnly.sign(token));
    await expect(hybrid.verify(token, await pqOnly.sign(token))).rejects.toMatchObject({ code: "AlgorithmMismatch" });
    await expect(pqOnly.verify(token, await hybrid.sign(token))).rejects.toMatchObject({ code: "AlgorithmMismatch" });
  });

  it("generated anew, verifies its own and nobody else's", async () => {
    for (const make of [PqTokenSigner.generateHybrid, PqTokenSigner.generatePqOnly]) {
      const [mine, other] = [make({ clock }), make({ clock })];
      const signature = await mine.sign(token);
      await mine.verify(token, signature);
      await expect(other.verify(token, signature)).rejects.toMatchObject({ code: "SignatureInvalid" });
    }
  });

  it("made of raw keys signs; made without a secret it only verifies", async () => {
    const seeds = { mlDsaSigningKey: randomBytes(32), ed25519SigningKey: randomBytes(32) };
    const { mlDsaVerifyingKey, ed25519VerifyingKey } = generate().publicKeys();
    const raw = { ...seeds, mlDsaVerifyingKey, ed25519VerifyingKey, keyId: "kavach-prod-2026" };
    const envelope = JSON.parse(new TextDecoder().decode(await PqTokenSigner.hybrid(raw).sign(token)));
    expect(envelope).toMatchObject({ key_id: "kavach-prod-2026", algorithm: "ml-dsa-65+ed25519" });
    const none = new Uint8Array(0);
    const keyPair = generate();
    const publics = { ...keyPair.publicKeys(), keyId: keyPair.id };
    const verifiers = [
      PqTokenSigner.hybrid({ ...publics, mlDsaSigningKey: none, ed25519SigningKey: none }),
      PqTokenSigner.pqOnly({ ...publics, mlDsaSigningKey: none }),
    ];
    const signers = [
      PqTokenSigner.fromKeypairHybrid(keyPair, { clock }),
      PqTokenSigner.fromKeypairPqOnly(keyPair, { clock }),
    ];
    for (const [i, verifier] of verifiers.entries()) {
      await verifier.verify(token, (await signers[i]?.sign(token)) as Uint8Array);
      await expect(verifier.sign(token)).rejects.toMatchObject({ code: "NO_SIGNING_KEY" });
    }
    const whole = { ...publics, mlDsaSigningKey: none, ed25519SigningKey: none };
    for (const wrong of [
      undefined,
      { ...whole, mlDsaSigningKey: new Uint8Array(31) },
      { ...whole, mlDsaSigningKey: undefined },
      { ...whole, mlDsaVerifyingKey: [...whole.mlDsaVerifyingKey] },
      { ...whole, keyId: undefined },
      { ...whole, keyId: 7 },
    ]) {
      for (const make of ["hybrid", "pqOnly"] as const) {
        expect(() => PqTokenSigner[make](wrong as never)).toThrow(expect.objectContaining({ code: "KEY_CORRUPT" }));
      }
    }
  });

  it("signs nothing with a key that expired or was disposed of", async () => {
    const mine = clockAt(NOW_MS);
    const keyPair = generate(60);
    const signer = PqTokenSigner.fromKeypairHybrid(keyPair, { clock: mine });
    const signature = await signer.sign(token);
    const verifier = new DirectoryTokenVerifier(PublicKeyDirectory.inMemory([keyPair.publicKeys()]), { clock: mine });
    await verifier.verify(token, signature);
    mine.ms = NOW_MS + 60_000;
    await expect(signer.sign(token)).rejects.toMatchObject({ code: "KEY_EXPIRED" });
    await expect(verifier.verify(token, signature)).rejects.toMatchObject({ code: "BundleExpired" });
    mine.ms = NOW_MS;
    keyPair.dispose();
    await expect(signer.sign(token)).rejects.toMatchObject({ code: "KEY_DISPOSED" });
  });
});

describe("a token, an option or a directory that is none", () => {
  const keyPair = generate();
  const directory = PublicKeyDirectory.inMemory([keyPair.publicKeys()]);
  const signer = PqTokenSigner.fromKeypairHybrid(keyPair, { clock });

  it.each([undefined, null, {}, { ...token }, { canonicalBytes: () => token.canonicalBytes() }])(
    "token %o is refused by who signs and by who verifies",
    async (none) => {
      const invalid = expect.objectContaining({ code: "CLAIMS_INVALID" });
      const signature = await signer.sign(token);
      await expect(signer.sign(none as never)).rejects.toEqual(invalid);
      await expect(signer.verify(none as never, signature)).rejects.toEqual(invalid);
      const verifier = new DirectoryTokenVerifier(directory, { clock });
      await expect(verifier.verify(none as never, signature)).rejects.toEqual(invalid);
    },
  );

  it("a directory that is none is refused, and one that answers with no bundle has none", async () => {
    for (const none of [undefined, null, {}, new Map()]) {
      expect(() => new DirectoryTokenVerifier(none as never)).toThrow(
        expect.objectContaining({ code: "OPTION_INVALID" }),
      );
    }
    const signature = await signer.sign(token);
    const whole = keyPair.publicKeys();
    await new DirectoryTokenVerifier({ fetch: async () => whole }, { clock }).verify(token, signature);
    for (const answer of [undefined, null, {}, { ...whole, expiresAt: undefined }, { ...whole, expiresAt: "soon" }]) {
      const lying = new DirectoryTokenVerifier({ fetch: async () => answer as never }, { clock });
      await expect(lying.verify(token, signature)).rejects.toMatchObject({ name: "DirectoryError", code: "Corrupt" });
    }
  });

  // An empty text, a zero or null where a flag is meant would read as false and switch the defence off.
  it.each([{ hybrid: null }, { hybrid: 0 }, { enforceExpiry: null }, { enforceExpiry: "" }, { strict: true }])(
    "option %o is refused",
    (option) => {
      const invalid = expect.objectContaining({ code: "OPTION_INVALID" });
      expect(() => new DirectoryTokenVerifier(directory, option as never)).toThrow(invalid);
      expect(() => PqTokenSigner.fromKeypairHybrid(keyPair, option as never)).toThrow(invalid);
      expect(() => PqTokenSigner.generatePqOnly(option as never)).toThrow(invalid);
    },
  );
});

describe("PermitToken", () => {
  it.each([
    { tokenId: "" },
    { tokenId: "00112233445566778899aabbccddeeff" },
    { evaluationId: "g1234567-89ab-cdef-0123-456789abcdef" },
    { issuedAt: 0.5 },
    { expiresAt: 2 ** 53 },
    { actionName: "\ud800" },
  ])("is not made of %o", (change) => {
    expect(() => new PermitToken(undefined as never)).toThrow(expect.objectContaining({ code: "CLAIMS_INVALID" }));
    expect(() => new PermitToken({ ...TOKEN, ...change })).toThrow(expect.objectContaining({ code: "CLAIMS_INVALID" }));
  });
});
