import { describe, expect, it } from "vitest";
import { DOMAINS, ED25519, ML_DSA_65, SUITES } from "./algorithms.ts";
import { utf8 } from "./framing.ts";
import { signingKeysOf } from "./keys/key-pair.ts";
import { generate } from "./permits/permit-fixture.ts";
import { provider } from "./provider.ts";
import { signWithSuite, verifyWithSuite } from "./suite-signature.ts";

const keyPair = generate();
const bundle = keyPair.publicKeys();
const body = utf8("one body for every kind of thing");
const NOTHING = new Uint8Array(0);

describe("signatures of one kind of thing", () => {
  it("have tags of which none begins another", () => {
    const tags = Object.values(DOMAINS);
    for (const a of tags) for (const b of tags) expect(a !== b && b.startsWith(a)).toBe(false);
  });

  it.each(SUITES)("verify as that kind alone (%s)", async (suite) => {
    for (const signed of Object.values(DOMAINS)) {
      const signature = await signWithSuite(suite, signed, keyPair, body);
      for (const read of Object.values(DOMAINS)) {
        expect(await verifyWithSuite(suite, read, bundle, body, signature), `${signed} read as ${read}`).toBe(
          signed === read,
        );
      }
    }
  });

  it("verify in their own suite alone, and only with all of it", async () => {
    const hybrid = await signWithSuite("ml-dsa-65+ed25519", DOMAINS.permit, keyPair, body);
    const pq = await signWithSuite("ml-dsa-65", DOMAINS.permit, keyPair, body);
    const verify = (suite: (typeof SUITES)[number], signature: typeof pq) =>
      verifyWithSuite(suite, DOMAINS.permit, bundle, body, signature);
    expect(await verify("ml-dsa-65+ed25519", hybrid)).toBe(true);
    expect(await verify("ml-dsa-65", pq)).toBe(true);
    expect(await verify("ml-dsa-65", hybrid)).toBe(false);
    expect(await verify("ml-dsa-65+ed25519", pq)).toBe(false);
    expect(await verify("ml-dsa-65+ed25519", { ...hybrid, mlDsa: NOTHING })).toBe(false);
    expect(await verify("ml-dsa-65+ed25519", { ...hybrid, ed25519: NOTHING })).toBe(false);
    expect(await verify("ml-dsa-65+ed25519", { ...hybrid, mlDsa: hybrid.mlDsa.map((byte) => byte ^ 1) })).toBe(false);
    expect(await verify("ml-dsa-65+ed25519", { ...hybrid, ed25519: hybrid.ed25519.map((byte) => byte ^ 1) })).toBe(
      false,
    );
  });

  it("carry the tag twice: in the signed bytes, and as the context of ML-DSA", async () => {
    const { mlDsa, ed25519 } = await signWithSuite("ml-dsa-65+ed25519", DOMAINS.permit, keyPair, body);
    const keys = {
      mlDsa: provider.publicKey(ML_DSA_65, bundle.mlDsaVerifyingKey),
      ed25519: provider.publicKey(ED25519, bundle.ed25519VerifyingKey),
    };
    const tag = utf8("kavach-permit-v2");
    const message = Uint8Array.of(...tag, 0, 0, 0, body.length, ...body);
    expect(provider.verify(ML_DSA_65, keys.mlDsa, message, tag, mlDsa)).toBe(true);
    expect(provider.verify(ML_DSA_65, keys.mlDsa, message, NOTHING, mlDsa)).toBe(false);
    expect(provider.verify(ML_DSA_65, keys.mlDsa, message, utf8("kavach-permit-v3"), mlDsa)).toBe(false);
    expect(provider.verify(ED25519, keys.ed25519, message, NOTHING, ed25519)).toBe(true);
    const plain = provider.sign(ML_DSA_65, signingKeysOf(keyPair).mlDsa, message, NOTHING);
    expect(await verifyWithSuite("ml-dsa-65", DOMAINS.permit, bundle, body, { mlDsa: plain, ed25519: NOTHING })).toBe(
      false,
    );
  });
});
