/** Signing in either format, over a change of keys and to the end. */
import { KavachKeyPair, KeyRing, type PermitClaimsInit, randomBytes } from "@kavach/crypto";
import { SYSTEM_CLOCK } from "@kavach/system";
import { describe, expect, it } from "vitest";
import { type PermitFormat, sealingOf } from "./sealing.ts";

const claims = (): PermitClaimsInit => ({
  ...{ realm: "default", sessionId: "", action: "issue_refund", resource: "", audience: [] },
  ...{ issuedAtMs: Date.now(), notBeforeMs: Date.now(), expiresAtMs: Date.now() + 30_000 },
  ...{ singleUse: false, mode: "enforce" },
  tokenId: randomBytes(16),
  evaluationId: randomBytes(16),
  principal: { id: "agent-7", kind: "agent", roles: [] },
  paramsDigest: randomBytes(32),
  policyDigest: randomBytes(32),
  revision: { generation: 1, number: 1 },
});

describe.each<PermitFormat>(["v1", "v2"])("permits of format %s", (format) => {
  it("are signed by whichever key is active, and outlive none", async () => {
    const first = KavachKeyPair.generate({ expiresInSeconds: 1000 });
    const second = KavachKeyPair.generate({ expiresInSeconds: 2000 });
    const ring = new KeyRing({ active: first });
    const sealing = sealingOf(format, ring, SYSTEM_CLOCK);
    const before = [sealing.keyId, sealing.keyExpiresAtMs];
    expect(before[1]).toBe(Date.parse(first.expiresAt as string));
    const sealed = sealing.seal(claims());
    ring.rotate(second);
    expect(sealing.keyId).not.toBe(before[0]);
    expect(sealing.keyExpiresAtMs).toBe(Date.parse(second.expiresAt as string));
    await sealed;
    const { signature } = (await sealing.seal(claims())) as { signature?: Uint8Array };
    if (format === "v1") expect(JSON.parse(Buffer.from(signature as Uint8Array).toString()).key_id).toBe(second.id);
  });

  it("are finished at the end, and none is begun after it", async () => {
    const sealing = sealingOf(format, new KeyRing({ active: KavachKeyPair.generate() }), SYSTEM_CLOCK);
    const sealed = Promise.all([1, 2, 3].map(() => sealing.seal(claims()))).then(() => "sealed");
    await sealing.close();
    // All that is left of it then are its callbacks.
    expect(await Promise.race([sealed, new Promise((resolve) => setImmediate(resolve))])).toBe("sealed");
    await expect(sealing.seal(claims())).rejects.toMatchObject({ code: "SIGNER_CLOSED" });
  });
});
