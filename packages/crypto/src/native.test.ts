import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ED25519, ML_DSA_65, type SignatureAlgorithm } from "./algorithms.ts";
import { CryptoError } from "./errors.ts";
import { provider } from "./provider.ts";

interface WycheproofTest {
  readonly tcId: number;
  readonly comment: string;
  readonly flags: readonly string[];
  /** Absent in tests of ML-DSA's inner functions, which take a hash of the message. */
  readonly msg?: string;
  readonly ctx?: string;
  readonly sig: string;
  readonly result: "valid" | "invalid";
}
interface WycheproofGroup {
  readonly publicKey: string | { readonly pk: string };
  readonly privateSeed?: string;
  readonly tests: readonly WycheproofTest[];
}

// The vectors are read where they lie: a checkout of C2SP/wycheproof, its folder `testvectors_v1`.
const FOLDER = process.env.WYCHEPROOF_DIR ?? join(import.meta.dirname, "../../../../shared/vectors/wycheproof");
const FOUND = existsSync(join(FOLDER, "ed25519_test.json"));
const HOW = "set WYCHEPROOF_DIR to the folder testvectors_v1 of a checkout of https://github.com/C2SP/wycheproof";

function groupsOf(file: string): WycheproofGroup[] {
  return (JSON.parse(readFileSync(join(FOLDER, file), "utf8")) as { testGroups: WycheproofGroup[] }).testGroups;
}
const hex = (text: string) => new Uint8Array(Buffer.from(text, "hex"));
const named = (test: WycheproofTest) => `test ${test.tcId}: ${test.comment}`;

/** A key of the wrong form and a context that is too long are refusals too, by an error of ours. */
function refusing(check: () => boolean): boolean {
  try {
    return check();
  } catch (error) {
    if (error instanceof CryptoError) return false;
    throw error;
  }
}

async function verifyBothWays(algorithm: SignatureAlgorithm, group: WycheproofGroup, test: WycheproofTest) {
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

describe.runIf(FOUND || process.env.CI === "true")(`native provider against Wycheproof (${HOW})`, () => {
  it.each([
    ["mldsa_65_verify_test.json", ML_DSA_65, 210],
    ["ed25519_test.json", ED25519, 151],
  ] as const)("answers %s as it should", async (file, algorithm, count) => {
    let tried = 0;
    for (const group of groupsOf(file)) {
      for (const test of group.tests) {
        expect(await verifyBothWays(algorithm, group, test), named(test)).toBe(test.result === "valid");
        tried++;
      }
    }
    expect(tried).toBe(count);
  });

  // OpenSSL hedges its signatures, so they differ from the deterministic ones of the file: each must verify the other's.
  it("derives the keys of mldsa_65_sign_seed_test.json, verifies its signatures and signs the same messages", async () => {
    let signed = 0;
    for (const group of groupsOf("mldsa_65_sign_seed_test.json")) {
      const seed = hex(group.privateSeed as string);
      for (const test of group.tests) {
        if (test.msg === undefined) continue;
        const [message, context] = [hex(test.msg), hex(test.ctx ?? "")];
        if (test.result === "invalid") {
          expect(
            refusing(() => provider.sign(ML_DSA_65, provider.secretKey(ML_DSA_65, seed), message, context).length > 0),
            named(test),
          ).toBe(false);
          continue;
        }
        const publicBytes = provider.publicBytesOf(ML_DSA_65, seed);
        expect(Buffer.from(publicBytes).toString("hex")).toBe(group.publicKey);
        const [secretKey, publicKey] = [
          provider.secretKey(ML_DSA_65, seed),
          provider.publicKey(ML_DSA_65, publicBytes),
        ];
        const ours = [
          provider.sign(ML_DSA_65, secretKey, message, context),
          await provider.signInBackground(ML_DSA_65, secretKey, message, context),
        ];
        for (const signature of [hex(test.sig), ...ours]) {
          expect(provider.verify(ML_DSA_65, publicKey, message, context, signature), named(test)).toBe(true);
        }
        signed++;
      }
    }
    expect(signed).toBe(84);
  });

  it("makes the very Ed25519 signatures of RFC 8032", () => {
    // Section 7.1, test 2.
    const seed = hex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb");
    const signature = provider.sign(ED25519, provider.secretKey(ED25519, seed), hex("72"), hex(""));
    expect(Buffer.from(signature).toString("hex")).toBe(
      "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    );
  });
});

describe("native provider", () => {
  it("hashes as FIPS 180-4 says, in one part or many", () => {
    const wanted = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    for (const parts of [["abc"], ["a", "", "bc"]]) {
      const digest = provider.sha256(parts.map((part) => new TextEncoder().encode(part)));
      expect(Buffer.from(digest).toString("hex")).toBe(wanted);
    }
  });

  it("takes no context where the algorithm has none, and no key of another length", () => {
    const key = provider.secretKey(ED25519, new Uint8Array(32));
    expect(() => provider.sign(ED25519, key, hex("00"), hex("01"))).toThrow(CryptoError);
    for (const algorithm of [ED25519, ML_DSA_65]) {
      for (const length of [0, 31, 33, algorithm.publicBytes + 1]) {
        expect(() => provider.secretKey(algorithm, new Uint8Array(length))).toThrow(CryptoError);
        expect(() => provider.publicKey(algorithm, new Uint8Array(length + (length === 32 ? 1 : 0)))).toThrow(
          CryptoError,
        );
      }
    }
  });
});
