import { describe, expect, it } from "vitest";
import { ED25519, ML_KEM_768, X25519 } from "./algorithms.ts";
import { CryptoError } from "./errors.ts";
import { nativeProvider } from "./native.ts";
import { portableProvider } from "./portable.ts";
import { PORTABLE_EXPANSIONS, PORTABLE_KEM } from "./portable-algorithms.ts";
import type { Provider } from "./provider.ts";
import { HOW, hex, hexOf, named, vectorsOf, WANTED } from "./wycheproof-fixture.ts";

const PROVIDERS: readonly Provider[] = [nativeProvider, portableProvider];
const NOTHING = new Uint8Array(0);
const code = (wanted: string) => expect.objectContaining({ name: "CryptoError", code: wanted });

/** The answer in hex, or the code of a refusal; other errors are faults. */
function answer(run: () => Uint8Array | undefined): string {
  try {
    const bytes = run();
    return bytes === undefined ? "refused" : hexOf(bytes);
  } catch (error) {
    if (error instanceof CryptoError) return "refused";
    throw error;
  }
}

describe.each(PROVIDERS)(`$name provider against Wycheproof (${HOW})`, { skip: !WANTED }, (provider) => {
  it("answers x25519_test.json as it should, and leaves no all-zero secret", () => {
    let tried = 0;
    interface Agreement {
      readonly public: string;
      readonly private: string;
      readonly shared: string;
    }
    for (const test of vectorsOf<Agreement>("x25519_test.json").flatMap(({ tests }) => tests)) {
      const shared = answer(() =>
        provider.agree(provider.secretKey(X25519, hex(test.private)), provider.publicKey(X25519, hex(test.public))),
      );
      // "Acceptable" is what RFC 7748 allows; of that, a secret that everybody knows is refused.
      expect(shared, named(test)).toBe(test.flags.includes("ZeroSharedSecret") ? "refused" : test.shared);
      tried++;
    }
    expect(tried).toBe(518);
  });

  it("answers mlkem_768_test.json as it should", () => {
    let tried = 0;
    interface Decapsulation {
      readonly seed: string;
      readonly ek?: string;
      readonly c: string;
      readonly K: string;
    }
    for (const test of vectorsOf<Decapsulation>("mlkem_768_test.json").flatMap(({ tests }) => tests)) {
      const secret = answer(() => provider.decapsulate(provider.secretKey(ML_KEM_768, hex(test.seed)), hex(test.c)));
      expect(secret, named(test)).toBe(test.result === "valid" ? test.K : "refused");
      if (test.result === "valid" && test.ek !== undefined) {
        expect(hexOf(provider.publicBytesOf(ML_KEM_768, hex(test.seed))), named(test)).toBe(test.ek);
      }
      tried++;
    }
    expect(tried).toBe(193);
  });

  it("takes the keys of mlkem_768_encaps_test.json that it should take, and no other", () => {
    let tried = 0;
    for (const test of vectorsOf<{ readonly ek: string }>("mlkem_768_encaps_test.json").flatMap(({ tests }) => tests)) {
      const sealed = answer(() => provider.encapsulate(provider.publicKey(ML_KEM_768, hex(test.ek))).ciphertext);
      expect(sealed.length, named(test)).toBe(test.result === "valid" ? 1088 * 2 : "refused".length);
      tried++;
    }
    expect(tried).toBe(265);
  });

  it("derives the keys of mlkem_768_keygen_seed_test.json", () => {
    interface Generation {
      readonly seed: string;
      readonly ek: string;
      readonly dk: string;
    }
    const tests = vectorsOf<Generation>("mlkem_768_keygen_seed_test.json").flatMap((group) => group.tests);
    for (const test of tests) {
      expect(hexOf(provider.publicBytesOf(ML_KEM_768, hex(test.seed))), named(test)).toBe(test.ek);
      expect(hexOf(PORTABLE_EXPANSIONS.get(ML_KEM_768.name)?.(hex(test.seed))), named(test)).toBe(test.dk);
    }
    expect(tests).toHaveLength(100);
  });

  it("answers hkdf_sha256_test.json as it should", () => {
    let tried = 0;
    interface Derivation {
      readonly ikm: string;
      readonly salt: string;
      readonly info: string;
      readonly size: number;
      readonly okm: string;
    }
    for (const test of vectorsOf<Derivation>("hkdf_sha256_test.json").flatMap(({ tests }) => tests)) {
      const okm = answer(() => provider.hkdf(hex(test.ikm), hex(test.salt), hex(test.info), test.size));
      expect(okm, named(test)).toBe(test.result === "valid" ? test.okm : "refused");
      tried++;
    }
    expect(tried).toBe(86);
  });

  it("answers chacha20_poly1305_test.json as it should, both ways", () => {
    let tried = 0;
    interface Sealing {
      readonly key: string;
      readonly iv: string;
      readonly aad: string;
      readonly msg: string;
      readonly ct: string;
      readonly tag: string;
    }
    for (const test of vectorsOf<Sealing>("chacha20_poly1305_test.json").flatMap(({ tests }) => tests)) {
      const box = { key: hex(test.key), nonce: hex(test.iv), associated: hex(test.aad) };
      const opened = answer(() => provider.decrypt(box, hex(test.ct + test.tag)));
      expect(opened, named(test)).toBe(test.result === "valid" ? test.msg : "refused");
      const sealed = answer(() => provider.encrypt(box, hex(test.msg)));
      if (test.flags.includes("InvalidNonceSize")) expect(sealed, named(test)).toBe("refused");
      else expect(sealed === test.ct + test.tag, named(test)).toBe(test.result === "valid");
      tried++;
    }
    expect(tried).toBe(325);
  });
});

describe(`portable ML-KEM-768 without entropy (${HOW})`, { skip: !WANTED }, () => {
  it("makes the very ciphertexts and secrets of mlkem_768_encaps_test.json", () => {
    interface Encapsulation {
      readonly m: string;
      readonly ek: string;
      readonly c: string;
      readonly K: string;
    }
    const valid = vectorsOf<Encapsulation>("mlkem_768_encaps_test.json")
      .flatMap(({ tests }) => tests)
      .filter(({ result }) => result === "valid");
    for (const test of valid) {
      const { cipherText, sharedSecret } = PORTABLE_KEM.encapsulate(hex(test.ek), hex(test.m));
      expect([hexOf(cipherText), hexOf(sharedSecret)], named(test)).toEqual([test.c, test.K]);
    }
    expect(valid).toHaveLength(133);
  });
});

describe.each(PROVIDERS)("$name provider", (provider) => {
  it("stretches a passphrase as RFC 7914, section 12 says, and refuses a cost that is none", async () => {
    const utf8 = (text: string) => new TextEncoder().encode(text);
    const key = await provider.scrypt(utf8("password"), utf8("NaCl"), { n: 1024, r: 8, p: 16 });
    expect(hexOf(key)).toBe("fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162");
    await expect(provider.scrypt(NOTHING, NOTHING, { n: 3, r: 8, p: 1 })).rejects.toThrow();
  });

  it("seals nothing under a key or nonce of a wrong length, and opens nothing too short to hold a tag", () => {
    const box = { key: new Uint8Array(32), nonce: new Uint8Array(12), associated: NOTHING };
    const sealed = provider.encrypt(box, NOTHING);
    expect([sealed.length, hexOf(provider.decrypt(box, sealed))]).toEqual([16, ""]);
    expect(() => provider.encrypt({ ...box, key: new Uint8Array(31) }, NOTHING)).toThrow(code("OPTION_INVALID"));
    expect(() => provider.encrypt({ ...box, nonce: new Uint8Array(11) }, NOTHING)).toThrow(code("OPTION_INVALID"));
    expect(provider.decrypt({ ...box, key: new Uint8Array(31) }, sealed)).toBeUndefined();
    for (let length = 0; length < 16; length++)
      expect(provider.decrypt(box, sealed.subarray(0, length))).toBeUndefined();
    for (const [size, info] of [
      [0, 0],
      [8161, 0],
      [32, 1025],
    ] as const) {
      expect(() => provider.hkdf(NOTHING, NOTHING, new Uint8Array(info), size)).toThrow(code("OPTION_INVALID"));
    }
  });
});

describe("the two providers", () => {
  const [native, portable] = [nativeProvider, portableProvider];

  it("agree with each other on secrets, both ways", () => {
    for (const [a, b] of [
      [native, portable],
      [portable, native],
    ] as const) {
      const [mine, theirs] = [a.randomBytes(32), b.randomBytes(32)];
      const ours = a.agree(a.secretKey(X25519, mine), a.publicKey(X25519, a.publicBytesOf(X25519, theirs)));
      expect(b.agree(b.secretKey(X25519, theirs), b.publicKey(X25519, b.publicBytesOf(X25519, mine)))).toEqual(ours);
      const seed = a.randomBytes(64);
      const { secret, ciphertext } = a.encapsulate(a.publicKey(ML_KEM_768, b.publicBytesOf(ML_KEM_768, seed)));
      expect(b.decapsulate(b.secretKey(ML_KEM_768, seed), ciphertext)).toEqual(secret);
      ciphertext[0] = (ciphertext[0] as number) ^ 1;
      expect(b.decapsulate(b.secretKey(ML_KEM_768, seed), ciphertext)).not.toEqual(secret);
      expect(a.decapsulate(a.secretKey(ML_KEM_768, seed), ciphertext)).toEqual(
        b.decapsulate(b.secretKey(ML_KEM_768, seed), ciphertext),
      );
    }
  });

  it.each(PROVIDERS)("and $name takes no key of another algorithm for its own", (provider) => {
    const edwards = provider.publicKey(ED25519, provider.publicBytesOf(ED25519, new Uint8Array(32)));
    const secret = provider.secretKey(ML_KEM_768, new Uint8Array(64));
    expect(() => provider.encapsulate(edwards)).toThrow();
    expect(() => provider.agree(secret, edwards)).toThrow(CryptoError);
  });
});
