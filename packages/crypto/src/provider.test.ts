import { describe, expect, it } from "vitest";
import { ED25519, ML_DSA_65, ML_KEM_768, type SignatureAlgorithm, X25519 } from "./algorithms.ts";
import { CryptoError } from "./errors.ts";
import { nativeIsComplete, nativeProvider } from "./native.ts";
import { portableProvider } from "./portable.ts";
import { PORTABLE_SIGNATURES } from "./portable-algorithms.ts";
import { provider as chosen, type Provider } from "./provider.ts";
import { HOW, hex, named, type Vector, vectorsOf, WANTED } from "./wycheproof-fixture.ts";

const PROVIDERS: readonly Provider[] = [nativeProvider, portableProvider];

interface SignatureTest {
  /** Absent in tests of ML-DSA's inner functions, which take a hash of the message. */
  readonly msg?: string;
  readonly ctx?: string;
  readonly sig: string;
}
interface SignatureGroup {
  readonly publicKey: string | { readonly pk: string };
  readonly privateSeed?: string;
}
type WycheproofTest = Vector & SignatureTest;

const groupsOf = (file: string) => vectorsOf<SignatureTest, SignatureGroup>(file);

/** A key of the wrong form and a context that is too long are refusals too, by an error of ours. */
function refusing(check: () => boolean): boolean {
  try {
    return check();
  } catch (error) {
    if (error instanceof CryptoError) return false;
    throw error;
  }
}

async function verifyBothWays(
  provider: Provider,
  algorithm: SignatureAlgorithm,
  group: SignatureGroup,
  test: WycheproofTest,
) {
  const { publicKey } = group;
  const bytes = hex(typeof publicKey === "string" ? publicKey : publicKey.pk);
  const [message, context, signature] = [hex(test.msg ?? ""), hex(test.ctx ?? ""), hex(test.sig)];
  const verified = refusing(() =>
    provider.verify(algorithm, provider.publicKey(algorithm, bytes), message, context, signature),
  );
  let inBackground = false;
  try {
    const key = provider.publicKey(algorithm, bytes);
    inBackground = await provider.verifyInBackground(algorithm, key, message, context, signature);
  } catch (error) {
    if (!(error instanceof CryptoError)) throw error;
  }
  expect(inBackground, named(test)).toBe(verified);
  return verified;
}

/** Signs what the test signs, in both ways; its own signature and these must verify under the key that its seed derives. */
async function signLikeIt(provider: Provider, group: SignatureGroup, test: WycheproofTest & { readonly msg: string }) {
  const [seed, message, context] = [hex(group.privateSeed ?? ""), hex(test.msg), hex(test.ctx ?? "")];
  const secretKey = provider.secretKey(ML_DSA_65, seed);
  const publicBytes = provider.publicBytesOf(ML_DSA_65, seed);
  expect(Buffer.from(publicBytes).toString("hex")).toBe(group.publicKey);
  const publicKey = provider.publicKey(ML_DSA_65, publicBytes);
  const signatures = [
    hex(test.sig),
    provider.sign(ML_DSA_65, secretKey, message, context),
    await provider.signInBackground(ML_DSA_65, secretKey, message, context),
  ];
  for (const signature of signatures) {
    expect(provider.verify(ML_DSA_65, publicKey, message, context, signature), named(test)).toBe(true);
  }
}

const hasMessage = (test: WycheproofTest): test is WycheproofTest & { readonly msg: string } => test.msg !== undefined;

describe.each(PROVIDERS)(`$name provider against Wycheproof (${HOW})`, { skip: !WANTED }, (provider) => {
  it.each([
    ["mldsa_65_verify_test.json", ML_DSA_65, 210],
    ["ed25519_test.json", ED25519, 151],
  ] as const)("answers %s as it should", async (file, algorithm, count) => {
    let tried = 0;
    for (const group of groupsOf(file)) {
      for (const test of group.tests) {
        expect(await verifyBothWays(provider, algorithm, group, test), named(test)).toBe(test.result === "valid");
        tried++;
      }
    }
    expect(tried).toBe(count);
  });

  // Signatures are hedged, so they differ from the deterministic ones of the file: each must verify as the other.
  it("derives the keys of mldsa_65_sign_seed_test.json, verifies its signatures and signs the same messages", async () => {
    let signed = 0;
    for (const group of groupsOf("mldsa_65_sign_seed_test.json")) {
      for (const test of group.tests.filter(hasMessage)) {
        if (test.result === "valid") {
          await signLikeIt(provider, group, test);
          signed++;
        } else {
          await expect(signLikeIt(provider, group, test), named(test)).rejects.toThrow(CryptoError);
        }
      }
    }
    expect(signed).toBe(84);
  });
});

describe(`portable ML-DSA-65 without entropy (${HOW})`, { skip: !WANTED }, () => {
  it("makes the very signatures of mldsa_65_sign_seed_test.json", () => {
    const signatures = PORTABLE_SIGNATURES.get(ML_DSA_65.name);
    let made = 0;
    for (const group of groupsOf("mldsa_65_sign_seed_test.json")) {
      const seed = hex(group.privateSeed ?? "");
      for (const test of group.tests.filter(hasMessage)) {
        if (test.result !== "valid" || test.flags.includes("Randomized")) continue;
        const signature = signatures?.sign(signatures.expand(seed), hex(test.msg), hex(test.ctx ?? ""), undefined);
        expect(Buffer.from(signature ?? []).toString("hex"), named(test)).toBe(test.sig);
        made++;
      }
    }
    expect(made).toBe(83);
  });
});

describe.each(PROVIDERS)("$name provider", (provider) => {
  it("hashes as FIPS 180-4 says, in one part or many", () => {
    const wanted = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    for (const parts of [["abc"], ["a", "", "bc"]]) {
      const digest = provider.sha256(parts.map((part) => new TextEncoder().encode(part)));
      expect(Buffer.from(digest).toString("hex")).toBe(wanted);
    }
  });

  it("makes the very Ed25519 signatures of RFC 8032", () => {
    // Section 7.1, test 2.
    const seed = hex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb");
    const signature = provider.sign(ED25519, provider.secretKey(ED25519, seed), hex("72"), hex(""));
    expect(Buffer.from(signature).toString("hex")).toBe(
      "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    );
  });

  it("hedges ML-DSA, so that signing twice never gives the same signature", () => {
    const key = provider.secretKey(ML_DSA_65, new Uint8Array(32));
    const sign = () => Buffer.from(provider.sign(ML_DSA_65, key, hex("00"), hex(""))).toString("hex");
    expect(sign()).not.toBe(sign());
  });

  it("gives as many random bytes as it is asked for, and never the same", () => {
    for (const size of [0, 1, 16, 70_000]) expect(provider.randomBytes(size)).toHaveLength(size);
    expect(provider.randomBytes(32)).not.toEqual(provider.randomBytes(32));
    expect(
      provider
        .randomBytes(70_000)
        .subarray(69_000)
        .some((byte) => byte !== 0),
    ).toBe(true);
  });

  it("keeps keys of its own, whatever the caller's Buffers hold afterwards, and wipes no other", () => {
    const message = hex("00");
    for (const algorithm of [ED25519, ML_DSA_65]) {
      const seed = Buffer.alloc(algorithm.secretBytes, 3);
      const open = Buffer.from(provider.publicBytesOf(algorithm, seed));
      const [secretKey, publicKey] = [provider.secretKey(algorithm, seed), provider.publicKey(algorithm, open)];
      const before = provider.publicKey(algorithm, new Uint8Array(open));
      for (const buffer of [seed, open]) buffer.fill(0);
      const signature = provider.sign(algorithm, secretKey, message, hex(""));
      for (const key of [publicKey, before]) {
        expect(provider.verify(algorithm, key, message, hex(""), signature), algorithm.name).toBe(true);
      }
      seed.fill(3);
      provider.wipe(provider.secretKey(algorithm, seed));
      expect([...seed].every((byte) => byte === 3)).toBe(true);
    }
    const secret = Buffer.alloc(X25519.secretBytes, 3);
    const peer = provider.publicKey(X25519, provider.publicBytesOf(X25519, new Uint8Array(32).fill(5)));
    const key = provider.secretKey(X25519, secret);
    const agreed = provider.agree(key, peer);
    secret.fill(0);
    expect(provider.agree(key, peer)).toEqual(agreed);
  });

  it("takes no context where the algorithm has none, no longer one than it may, and no key of another length", async () => {
    for (const [algorithm, context] of [
      [ED25519, 1],
      [ML_DSA_65, 256],
    ] as const) {
      const secretKey = provider.secretKey(algorithm, new Uint8Array(32));
      const publicKey = provider.publicKey(algorithm, provider.publicBytesOf(algorithm, new Uint8Array(32)));
      const [message, long, signature] = [hex("00"), new Uint8Array(context), new Uint8Array(algorithm.signatureBytes)];
      const refused = expect.objectContaining({ code: "OPTION_INVALID" });
      expect(() => provider.sign(algorithm, secretKey, message, long)).toThrow(refused);
      expect(() => provider.verify(algorithm, publicKey, message, long, signature)).toThrow(refused);
      await expect(provider.signInBackground(algorithm, secretKey, message, long)).rejects.toEqual(refused);
      await expect(provider.verifyInBackground(algorithm, publicKey, message, long, signature)).rejects.toEqual(
        refused,
      );
    }
    for (const algorithm of [ED25519, ML_DSA_65, X25519, ML_KEM_768]) {
      for (const change of [-1, 1]) {
        const corrupt = expect.objectContaining({ code: "KEY_CORRUPT" });
        expect(() => provider.secretKey(algorithm, new Uint8Array(algorithm.secretBytes + change))).toThrow(corrupt);
        expect(() => provider.publicKey(algorithm, new Uint8Array(algorithm.publicBytes + change))).toThrow(corrupt);
      }
    }
  });
});

describe.each(PROVIDERS)("$name provider", (provider) => {
  it.each([ML_DSA_65, ED25519, X25519, ML_KEM_768])("uses no key of $name that was wiped", async (algorithm) => {
    const key = provider.secretKey(algorithm, new Uint8Array(algorithm.secretBytes).fill(1));
    provider.wipe(key);
    provider.wipe(key);
    const wiped = expect.objectContaining({ code: "KEY_DISPOSED" });
    if ("signatureBytes" in algorithm) {
      expect(() => provider.sign(algorithm, key, hex(""), hex(""))).toThrow(wiped);
      await expect(provider.signInBackground(algorithm, key, hex(""), hex(""))).rejects.toEqual(wiped);
    } else if (algorithm === X25519) {
      const peer = provider.publicKey(X25519, provider.publicBytesOf(X25519, new Uint8Array(32).fill(2)));
      expect(() => provider.agree(key, peer)).toThrow(wiped);
    } else {
      expect(() => provider.decapsulate(key, new Uint8Array(1088))).toThrow(wiped);
    }
  });
});

/** CPU time of the event loop's own thread while this was being done, microseconds; how busy the machine is does not count. */
async function cpuUsOf(work: () => unknown): Promise<number> {
  const before = process.threadCpuUsage();
  await work();
  const { user, system } = process.threadCpuUsage();
  return user - before.user + system - before.system;
}

describe.each(PROVIDERS)("$name provider", (provider) => {
  it("leaves the event loop to others while it signs and verifies in the background, and only there", async () => {
    const key = provider.secretKey(ML_DSA_65, new Uint8Array(32));
    const publicKey = provider.publicKey(ML_DSA_65, provider.publicBytesOf(ML_DSA_65, new Uint8Array(32)));
    const [message, context] = [hex("00"), hex("")];
    const signature = provider.sign(ML_DSA_65, key, message, context);
    // Some tens of milliseconds at least: the kernel counts in parts of ten.
    const length = provider === nativeProvider ? 600 : 60;
    const often = (once: () => unknown) => () => Promise.all(Array.from({ length }, once));
    const signing = often(() => provider.signInBackground(ML_DSA_65, key, message, context));
    const verifying = often(() => provider.verifyInBackground(ML_DSA_65, publicKey, message, context, signature));
    const signingHere = often(() => provider.sign(ML_DSA_65, key, message, context));
    const verifyingHere = often(() => provider.verify(ML_DSA_65, publicKey, message, context, signature));
    // What runs for the first time is compiled, and threads are made.
    for (const work of [signing, verifying, signingHere, verifyingHere]) await work();
    // Handing over costs tens of microseconds, and what is done here after all as much as it does there.
    expect(await cpuUsOf(signing)).toBeLessThan((await cpuUsOf(signingHere)) * 0.8);
    expect(await cpuUsOf(verifying)).toBeLessThan((await cpuUsOf(verifyingHere)) * 0.8);
  });
});

describe("the two providers", () => {
  it("derive the same public keys, and each verifies what the other signs", async () => {
    for (const algorithm of [ED25519, ML_DSA_65, X25519, ML_KEM_768]) {
      const secret = chosen.randomBytes(algorithm.secretBytes);
      const [native, portable] = PROVIDERS.map((provider) => provider.publicBytesOf(algorithm, secret));
      expect(portable, algorithm.name).toEqual(native);
    }
    for (const algorithm of [ED25519, ML_DSA_65]) {
      const [secret, message] = [chosen.randomBytes(32), chosen.randomBytes(100)];
      const context = algorithm === ML_DSA_65 ? hex("6b") : hex("");
      for (const [signer, verifier] of [
        [nativeProvider, portableProvider],
        [portableProvider, nativeProvider],
      ] as const) {
        const signature = await signer.signInBackground(
          algorithm,
          signer.secretKey(algorithm, secret),
          message,
          context,
        );
        const publicKey = verifier.publicKey(algorithm, verifier.publicBytesOf(algorithm, secret));
        expect(await verifier.verifyInBackground(algorithm, publicKey, message, context, signature)).toBe(true);
        signature[5] = (signature[5] as number) ^ 1;
        expect(await verifier.verifyInBackground(algorithm, publicKey, message, context, signature)).toBe(false);
      }
    }
  });

  it("do not take each other's keys", () => {
    const key = portableProvider.secretKey(ED25519, new Uint8Array(32));
    expect(() => nativeProvider.sign(ED25519, key, hex(""), hex(""))).toThrow(CryptoError);
    const other = nativeProvider.secretKey(ED25519, new Uint8Array(32));
    expect(() => portableProvider.sign(ED25519, other, hex(""), hex(""))).toThrow(CryptoError);
  });

  it("are chosen by what the runtime can do", () => {
    expect(chosen).toBe(nativeIsComplete() ? nativeProvider : portableProvider);
  });
});
