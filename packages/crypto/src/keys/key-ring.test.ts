import { inspect } from "node:util";
import { describe, expect, it } from "vitest";
import { SecureChannel } from "../channel/secure-channel.ts";
import { claimsOf, clockAt, expectationOf, generate, NOW_MS } from "../permits/permit-fixture.ts";
import { PermitSigner } from "../permits/signer.ts";
import { PermitVerifier } from "../permits/verifier.ts";
import { PqTokenSigner } from "../v1/pq-token-signer.ts";
import { KavachKeyPair } from "./key-pair.ts";
import { KeyRing } from "./key-ring.ts";
import { keyIdOf } from "./public-key-bundle.ts";

const code = (wanted: string) => expect.objectContaining({ code: wanted });
const GRACE_MS = 304_000;

function ringOf() {
  const [first, second, third] = [generate(), generate(), generate()];
  const clock = clockAt(NOW_MS);
  return { first, second, third, clock, ring: new KeyRing({ active: first, clock }) };
}
const live = (nowMs: number) => claimsOf({ issuedAtMs: nowMs, notBeforeMs: nowMs, expiresAtMs: nowMs + 300_000 });

describe("KeyRing", () => {
  it("signs with one key, and verifies with an older one until every permit it signed has expired", async () => {
    const { first, second, clock, ring } = ringOf();
    const signer = new PermitSigner({ keyRing: ring, clock });
    const verifier = new PermitVerifier({ directory: ring });
    const verify = (token: Uint8Array, nowMs: number) => verifier.verify(token, expectationOf({ nowMs }));
    const keyId = (keyPair: typeof first) => keyIdOf(keyPair.publicKeys(), "ml-dsa-65+ed25519");
    const before = await signer.seal(live(NOW_MS));
    expect(signer.keyId).toBe(keyId(first));
    expect(ring.rotate(second)).toBe(first);
    expect([signer.keyId, ring.active]).toEqual([keyId(second), second]);
    const after = await signer.seal(live(NOW_MS));
    expect(await verify(after, NOW_MS)).toMatchObject({ kind: "valid", claims: { keyId: keyId(second) } });
    clock.ms = NOW_MS + 301_999;
    expect(await verify(before, clock.ms)).toMatchObject({ kind: "valid", claims: { keyId: keyId(first) } });
    expect(await verify(before, NOW_MS + 302_000)).toMatchObject({ failure: "EXPIRED" });
    clock.ms = NOW_MS + GRACE_MS - 1;
    expect(ring.bundles().map(({ id }) => id)).toEqual([second.id, first.id]);
    clock.ms = NOW_MS + GRACE_MS;
    expect(ring.bundles().map(({ id }) => id)).toEqual([second.id]);
    expect(await verify(before, NOW_MS)).toMatchObject({ failure: "KEY_UNKNOWN" });
  });

  it("loses no permit that waits while the key changes, and mixes no keys in one batch", async () => {
    const { second, third, clock, ring } = ringOf();
    const signer = new PermitSigner({ keyRing: ring, clock });
    const verifier = new PermitVerifier({ directory: ring });
    const sealing: Promise<Uint8Array>[] = [];
    const seal = (from: number) => {
      for (let i = from; i < from + 20; i++) sealing.push(signer.seal(claimsOf({}, i)));
    };
    seal(0);
    ring.rotate(second);
    seal(20);
    ring.rotate(third);
    seal(40);
    for (const token of await Promise.all(sealing)) {
      expect(await verifier.verify(token, expectationOf())).toMatchObject({ kind: "valid" });
    }
    await signer.close();
  });

  it("takes an earlier key back, and goes on verifying with the one that signed in between", async () => {
    const { first, second, clock, ring } = ringOf();
    const signer = new PermitSigner({ keyRing: ring, clock });
    const verifier = new PermitVerifier({ directory: ring });
    ring.rotate(second);
    const between = await signer.seal(live(NOW_MS));
    expect(ring.rotate(KavachKeyPair.fromSecretBytes(first.toSecretBytes()))).toBe(second);
    expect(ring.bundles().map(({ id }) => id)).toEqual([first.id, second.id]);
    const after = await signer.seal(live(NOW_MS));
    for (const token of [between, after])
      expect(await verifier.verify(token, expectationOf())).toMatchObject({ kind: "valid" });
    clock.ms = NOW_MS + GRACE_MS;
    expect(ring.bundles().map(({ id }) => id)).toEqual([first.id]);
  });

  it("takes not the key that signs, none under an id that another has, none that has expired, or that was disposed of, and then stays as it was", () => {
    const { first, second, third, clock, ring } = ringOf();
    ring.rotate(second);
    const twin = KavachKeyPair.fromSecretBytes(
      Buffer.from(Buffer.from(third.toSecretBytes()).toString("latin1").replaceAll(third.id, first.id), "latin1"),
    );
    const disposed = generate();
    disposed.dispose();
    const brief = generate(1);
    clock.ms = NOW_MS + 1000;
    for (const [key, wanted] of [
      [twin, "OPTION_INVALID"],
      [second, "OPTION_INVALID"],
      [brief, "KEY_EXPIRED"],
      [disposed, "KEY_DISPOSED"],
    ] as const) {
      expect(() => ring.rotate(key)).toThrow(code(wanted));
    }
    expect(ring.bundles().map(({ id }) => id)).toEqual([second.id, first.id]);
    ring.rotate(third);
    expect(ring.bundles()).toHaveLength(3);
  });

  it("finds keys by both names, and no others", async () => {
    const { first, second, ring } = ringOf();
    ring.rotate(second);
    for (const bundle of [first.publicKeys(), second.publicKeys()]) {
      for (const id of [bundle.id, keyIdOf(bundle, "ml-dsa-65")]) expect(await ring.fetch(id)).toEqual(bundle);
    }
    await expect(ring.fetch("other")).rejects.toEqual(code("NotFound"));
  });

  it.each([{ graceMs: GRACE_MS - 1 }, { graceMs: Number.NaN }, { older: [] }])("refuses option %o", (option) => {
    expect(() => new KeyRing({ active: generate(), clock: clockAt(NOW_MS), ...(option as object) })).toThrow(
      code("OPTION_INVALID"),
    );
  });

  it("shows no secret, and neither do those who hold a key: a signer, a channel, an error", async () => {
    const { first, second, clock, ring } = ringOf();
    const signer = new PermitSigner({ keyRing: ring, clock });
    await signer.seal(claimsOf());
    const channel = new SecureChannel(first, second.publicKeys(), { clock });
    await channel.sendSigned(new Uint8Array(1), { contextId: "", correlationId: "" });
    first.dispose();
    const error = await signer.seal(claimsOf()).catch((thrown: unknown) => thrown);
    expect(error).toEqual(code("KEY_DISPOSED"));
    ring.rotate(second);
    const formatOne = PqTokenSigner.fromKeypairHybrid(second, { clock });
    const json = JSON.parse(new TextDecoder().decode(second.toSecretBytes().subarray(5)));
    const held = [ring, signer, channel, formatOne, error, { ...ring, ...signer }];
    const shown = held.map((one) => inspect(one, { depth: null, showHidden: true }) + JSON.stringify(one)).join("\n");
    for (const name of ["ml_dsa_signing_key", "ml_kem_decapsulation_key", "ed25519_signing_key", "x25519_secret_key"]) {
      const seed = Buffer.from(json[name]);
      for (const text of [seed.toString("hex"), seed.toString("base64"), seed.join(","), seed.join(", ")]) {
        expect(shown).not.toContain(text.slice(0, 30));
      }
    }
  });

  it("is made of key pairs, not of what only looks like one, and so is a PermitSigner", () => {
    const { first, clock, ring } = ringOf();
    for (const none of [undefined, null, {}, first.publicKeys()]) {
      expect(() => new KeyRing({ active: none as never, clock })).toThrow(code("KEY_CORRUPT"));
      expect(() => ring.rotate(none as never)).toThrow(code("KEY_CORRUPT"));
    }
    for (const none of [null, {}, first.publicKeys()]) {
      expect(() => new PermitSigner({ keyPair: none as never, clock })).toThrow(code("KEY_CORRUPT"));
    }
    expect(() => new PermitSigner({ keyRing: {} as never, clock })).toThrow(code("OPTION_INVALID"));
    expect(() => new PermitSigner({ keyPair: first, clock: {} as never })).toThrow(code("OPTION_INVALID"));
    for (const Made of [KeyRing, PermitSigner, PermitVerifier]) {
      expect(() => new Made(undefined as never)).toThrow(code("OPTION_INVALID"));
    }
    expect(ring.active).toBe(first);
  });

  it("or a single key is what a PermitSigner signs with, not both", () => {
    const { first, clock, ring } = ringOf();
    for (const option of [{}, { keyPair: first, keyRing: ring }]) {
      expect(() => new PermitSigner({ clock, ...option })).toThrow(code("OPTION_INVALID"));
    }
  });
});
