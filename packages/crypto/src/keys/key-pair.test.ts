import { inspect } from "node:util";
import { describe, expect, it } from "vitest";
import { ED25519, ML_DSA_65, ML_KEM_768, X25519 } from "../algorithms.ts";
import { CryptoError } from "../errors.ts";
import { utf8 } from "../framing.ts";
import { clockAt, generate, NOW_MS } from "../permits/permit-fixture.ts";
import { provider, randomBytes } from "../provider.ts";
import { decodeKeyFile, encodeKeyFile } from "./key-file.ts";
import { KavachKeyPair, signingKeysOf } from "./key-pair.ts";
import {
  bundleFromBytes,
  bundleFromJson,
  bundleToBytes,
  bundleToJson,
  keyIdOf,
  type PublicKeyBundle,
} from "./public-key-bundle.ts";

const SEEDS = [
  ["ml_dsa_signing_key", ML_DSA_65.secretBytes],
  ["ml_kem_decapsulation_key", ML_KEM_768.secretBytes],
  ["ed25519_signing_key", ED25519.secretBytes],
  ["x25519_secret_key", X25519.secretBytes],
] as const;

const jsonOf = (bytes: Uint8Array) => JSON.parse(new TextDecoder().decode(bytes.subarray(5)));
const bytesOf = (json: unknown) => Uint8Array.of(...utf8("KVSK"), 1, ...utf8(JSON.stringify(json)));
const corrupt = expect.objectContaining({ name: "CryptoError", code: "KEY_CORRUPT" });

describe("KavachKeyPair", () => {
  it("has an id, keys of the right lengths, and an expiry to the millisecond", () => {
    const keyPair = generate(60);
    expect(keyPair.id).toMatch(/^kavach-key-[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    const keys = keyPair.publicKeys();
    const { mlDsaVerifyingKey, mlKemEncapsulationKey, ed25519VerifyingKey, x25519PublicKey } = keys;
    const lengths = [mlDsaVerifyingKey, mlKemEncapsulationKey, ed25519VerifyingKey, x25519PublicKey].map(
      (k) => k.length,
    );
    expect(lengths).toEqual([1952, 1184, 32, 32]);
    expect([keyPair.createdAt, keyPair.expiresAt]).toEqual(["2027-01-15T08:00:00Z", "2027-01-15T08:01:00Z"]);
    expect(keyPair.isExpiredAt(NOW_MS + 59_999)).toBe(false);
    expect(keyPair.isExpiredAt(NOW_MS + 60_000)).toBe(true);
    expect(keyPair.isExpiredAt(Number.NaN)).toBe(true);
    expect(generate().isExpiredAt(Number.MAX_SAFE_INTEGER)).toBe(false);
  });

  it("says whether it has expired by the clock it was made with, or by this machine's", () => {
    const clock = clockAt(NOW_MS);
    const keyPair = KavachKeyPair.generate({ clock, expiresInSeconds: 60 });
    expect(keyPair.isExpired).toBe(false);
    clock.ms += 60_000;
    expect(keyPair.isExpired).toBe(true);
    const past = KavachKeyPair.generate({ clock: clockAt(0), expiresInSeconds: 1 }).toSecretBytes();
    expect(KavachKeyPair.fromSecretBytes(past).isExpired).toBe(true);
    expect(KavachKeyPair.generate().isExpired).toBe(false);
  });

  it("keeps its public keys from whoever writes into the ones it gave away", async () => {
    const keyPair = KavachKeyPair.generate();
    const given = keyPair.publicKeys();
    const before = bundleToBytes(given);
    for (const name of [
      "mlDsaVerifyingKey",
      "mlKemEncapsulationKey",
      "ed25519VerifyingKey",
      "x25519PublicKey",
    ] as const) {
      given[name].fill(0);
    }
    expect(bundleToBytes(keyPair.publicKeys())).toEqual(before);
    expect(KavachKeyPair.fromSecretBytes(keyPair.toSecretBytes()).id).toBe(keyPair.id);
  });

  it("overwrites its seeds when it is disposed of, and takes the library's keys out of use", () => {
    const seeds: Uint8Array[] = [];
    const random = (size: number) => {
      const bytes = randomBytes(size);
      seeds.push(bytes);
      return bytes;
    };
    const keyPair = KavachKeyPair.generate({ clock: clockAt(NOW_MS), random });
    const { mlDsa, ed25519 } = signingKeysOf(keyPair);
    const secret = seeds.filter(({ length }) => length >= 32);
    expect(secret.map(({ length }) => length)).toEqual([32, 64, 32, 32]);
    for (const seed of secret) expect(seed.some((byte) => byte !== 0)).toBe(true);
    keyPair.dispose();
    for (const seed of secret) expect(seed.every((byte) => byte === 0)).toBe(true);
    const none = new Uint8Array(0);
    const disposed = expect.objectContaining({ code: "KEY_DISPOSED" });
    expect(() => provider.sign(ML_DSA_65, mlDsa, none, none)).toThrow(disposed);
    expect(() => provider.sign(ED25519, ed25519, none, none)).toThrow(disposed);
  });

  it("takes all its secrets and its id from the randomness it is given", () => {
    const constant = (size: number) => new Uint8Array(size).fill(7);
    const make = () => KavachKeyPair.generate({ clock: clockAt(NOW_MS), random: constant });
    expect(make().toSecretBytes()).toEqual(make().toSecretBytes());
    expect(generate().toSecretBytes()).not.toEqual(generate().toSecretBytes());
  });

  it("comes back whole from its secret bytes", () => {
    const keyPair = generate(60);
    const again = KavachKeyPair.fromSecretBytes(keyPair.toSecretBytes());
    expect(again.toSecretBytes()).toEqual(keyPair.toSecretBytes());
    expect(again.publicKeys()).toEqual(keyPair.publicKeys());
    expect(decodeKeyFile(encodeKeyFile(keyPair)).publicKeys()).toEqual(keyPair.publicKeys());
  });

  it("shows no secret when it is printed, serialised, spread or looked through", () => {
    const keyPair = generate();
    signingKeysOf(keyPair);
    const secrets = jsonOf(keyPair.toSecretBytes());
    const shown = [
      inspect(keyPair, { depth: null, showHidden: true }),
      inspect(signingKeysOf(keyPair), { depth: null, showHidden: true }),
      JSON.stringify(keyPair),
      JSON.stringify({ ...keyPair }),
      JSON.stringify(Object.getOwnPropertyNames(keyPair)),
      inspect(structuredClone({ ...keyPair })),
    ].join("\n");
    for (const [name] of SEEDS) {
      const seed = Buffer.from(secrets[name]);
      for (const spelling of [
        secrets[name].join(","),
        secrets[name].join(", "),
        seed.toString("hex"),
        seed.toString("base64"),
      ]) {
        expect(shown).not.toContain(spelling.slice(0, 30));
      }
    }
    expect(shown).toContain(keyPair.id);
  });

  it("has nothing left after it was disposed of", () => {
    const keyPair = generate();
    signingKeysOf(keyPair);
    keyPair.dispose();
    keyPair.dispose();
    const disposed = expect.objectContaining({ code: "KEY_DISPOSED" });
    expect(() => keyPair.toSecretBytes()).toThrow(disposed);
    expect(() => signingKeysOf(keyPair)).toThrow(disposed);
    expect(keyPair.publicKeys().id).toBe(keyPair.id);
  });

  it("is not read from bytes that are damaged", () => {
    const good = jsonOf(generate(60).toSecretBytes());
    expect(KavachKeyPair.fromSecretBytes(bytesOf(good)).id).toBe(good.id);
    const names = ["mlDsa", "mlKem", "ed25519", "x25519"];
    for (const [index, [name, length]] of SEEDS.entries()) {
      const other = [...randomBytes(length)];
      for (const value of [
        other.slice(1),
        [...other, 0],
        undefined,
        "00",
        other.map(() => 256),
        other.map(() => 0.5),
      ]) {
        expect(() => KavachKeyPair.fromSecretBytes(bytesOf({ ...good, [name]: value })), name).toThrow(corrupt);
      }
      // A whole secret of somebody else: its public key says so.
      expect(() => KavachKeyPair.fromSecretBytes(bytesOf({ ...good, [name]: other })), names[index]).toThrow(corrupt);
    }
    for (const change of [{ id: "" }, { id: 1 }, { created_at: "now" }, { expires_at: "2027-02-30T00:00:00Z" }]) {
      expect(() => KavachKeyPair.fromSecretBytes(bytesOf({ ...good, ...change }))).toThrow(corrupt);
    }
    for (const none of [undefined, null, "KVSK", {}]) {
      expect(() => KavachKeyPair.fromSecretBytes(none as never)).toThrow(corrupt);
      expect(() => bundleFromBytes(none as never)).toThrow(corrupt);
    }
    for (const json of [null, [], "key", 1])
      expect(() => KavachKeyPair.fromSecretBytes(bytesOf(json))).toThrow(corrupt);
  });

  it("is not read from other forms, versions, or JSON that says a name twice, and errors quote nothing", () => {
    const bytes = generate().toSecretBytes();
    const text = new TextDecoder().decode(bytes.subarray(5));
    const head = [...utf8("KVSK"), 1];
    const damaged: Uint8Array[] = [
      new Uint8Array(0),
      bytes.subarray(0, 4),
      Uint8Array.of(...utf8("KVPB"), ...bytes.subarray(4)),
      Uint8Array.of(...utf8("KVSK"), 2, ...bytes.subarray(5)),
      bytes.subarray(0, -1),
      Uint8Array.of(...bytes, 0xff),
      Uint8Array.of(...head, ...utf8(text.replace('"id"', '"id":"a","id"'))),
      Uint8Array.of(...head, ...utf8(text.replace('"id"', '"\\u0069d":"a","id"'))),
      new Uint8Array(256 * 1024 + 1),
    ];
    for (const one of damaged) {
      const error = (() => {
        try {
          return KavachKeyPair.fromSecretBytes(one);
        } catch (thrown) {
          return thrown;
        }
      })();
      expect(error).toEqual(corrupt);
      expect(inspect(error)).not.toMatch(/\d+,\d+,\d+/);
    }
  });

  it.each([{ expiresInSeconds: 0 }, { expiresInSeconds: 1.5 }, { expiresInSeconds: 1e12 }, { ttl: 1 }])(
    "refuses option %o",
    (option) => {
      const options = { clock: clockAt(NOW_MS), ...(option as object) };
      expect(() => KavachKeyPair.generate(options)).toThrow(expect.objectContaining({ code: "OPTION_INVALID" }));
    },
  );
});

describe("PublicKeyBundle", () => {
  const bundle = generate(60).publicKeys();

  it("comes back whole from bytes and from JSON; unknown names are ignored", () => {
    expect(bundleFromBytes(bundleToBytes(bundle))).toEqual(bundle);
    expect(bundleFromJson(JSON.parse(JSON.stringify({ ...bundleToJson(bundle), note: 1 })))).toEqual(bundle);
    const { expires_at: _, ...forever } = bundleToJson(bundle);
    expect(bundleFromJson(forever).expiresAt).toBeNull();
  });

  it.each(["ml_dsa_verifying_key", "ml_kem_encapsulation_key", "ed25519_verifying_key", "x25519_public_key"] as const)(
    "with %s of a wrong length is refused",
    (name) => {
      const json = bundleToJson(bundle);
      expect(() => bundleFromJson({ ...json, [name]: json[name].slice(1) })).toThrow(CryptoError);
      expect(() => bundleFromJson({ ...json, [name]: [...json[name], 0] })).toThrow(CryptoError);
    },
  );

  it("has a key id that every signing key and the suite decide, and nothing else", () => {
    const other = generate().publicKeys();
    const hybrid = (change: Partial<PublicKeyBundle>) => keyIdOf({ ...bundle, ...change }, "ml-dsa-65+ed25519");
    const pq = (change: Partial<PublicKeyBundle>) => keyIdOf({ ...bundle, ...change }, "ml-dsa-65");
    const { ed25519VerifyingKey, mlDsaVerifyingKey, mlKemEncapsulationKey } = other;
    expect(hybrid({})).toMatch(/^[0-9a-f]{32}$/);
    expect(new Set([hybrid({}), pq({}), hybrid({ ed25519VerifyingKey }), hybrid({ mlDsaVerifyingKey })]).size).toBe(4);
    expect([pq({ ed25519VerifyingKey }), hybrid({ id: "x", mlKemEncapsulationKey })]).toEqual([pq({}), hybrid({})]);
    const prefixed = (bytes: Uint8Array) =>
      Buffer.concat([Uint8Array.of(0, 0, bytes.length >> 8, bytes.length), bytes]);
    const spelt = [utf8("ml-dsa-65+ed25519"), bundle.mlDsaVerifyingKey, bundle.ed25519VerifyingKey].map(prefixed);
    expect(hybrid({})).toBe(Buffer.from(provider.sha256(spelt)).toString("hex").slice(0, 32));
  });
});
