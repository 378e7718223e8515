/** The algorithms of the portable provider, in plain JavaScript: `@noble/curves` and `@noble/post-quantum`. */
import { ed25519, x25519 } from "@noble/curves/ed25519.js";
import { ml_dsa65 } from "@noble/post-quantum/ml-dsa.js";
import { ml_kem768 } from "@noble/post-quantum/ml-kem.js";
import { ED25519, type KeyAlgorithm, ML_DSA_65, ML_KEM_768, type SignatureAlgorithm, X25519 } from "./algorithms.ts";

export interface PortableSignatures {
  /** The form that signs, which for ML-DSA is not the seed but what is expanded from it. */
  expand(secret: Uint8Array): Uint8Array;
  /** `entropy`: 32 bytes that hedge a signature where the algorithm hedges; absent: a deterministic signature. */
  sign(expanded: Uint8Array, message: Uint8Array, context: Uint8Array, entropy: Uint8Array | undefined): Uint8Array;
  verify(publicKey: Uint8Array, message: Uint8Array, context: Uint8Array, signature: Uint8Array): boolean;
}

const mlDsa: PortableSignatures = {
  expand: (seed) => ml_dsa65.keygen(seed).secretKey,
  sign: (expanded, message, context, entropy) =>
    ml_dsa65.sign(message, expanded, { context, extraEntropy: entropy ?? false }),
  verify: (publicKey, message, context, signature) => ml_dsa65.verify(signature, message, publicKey, { context }),
};

const edwards: PortableSignatures = {
  // Not `slice`, which of a Buffer is no copy.
  expand: (seed) => new Uint8Array(seed),
  sign: (seed, message) => ed25519.sign(message, seed),
  // RFC 8032 encodings only; the library's default takes those of ZIP 215 as well.
  verify: (publicKey, message, _context, signature) => ed25519.verify(signature, message, publicKey, { zip215: false }),
};

/** By the name in the algorithm table, because names cross into worker threads and rows do not. */
export const PORTABLE_SIGNATURES: ReadonlyMap<SignatureAlgorithm["name"], PortableSignatures> = new Map([
  [ML_DSA_65.name, mlDsa],
  [ED25519.name, edwards],
]);

export const PORTABLE_PUBLIC_KEYS: ReadonlyMap<KeyAlgorithm["name"], (secret: Uint8Array) => Uint8Array> = new Map([
  [ML_DSA_65.name, (seed: Uint8Array) => ml_dsa65.keygen(seed).publicKey],
  [ED25519.name, (seed: Uint8Array) => ed25519.getPublicKey(seed)],
  [ML_KEM_768.name, (seed: Uint8Array) => ml_kem768.keygen(seed).publicKey],
  [X25519.name, (secret: Uint8Array) => x25519.getPublicKey(secret)],
]);

/** The form of a secret that is worked with; where none is named, it is the secret itself. */
export const PORTABLE_EXPANSIONS: ReadonlyMap<KeyAlgorithm["name"], (secret: Uint8Array) => Uint8Array> = new Map([
  [ML_DSA_65.name, mlDsa.expand],
  [ED25519.name, edwards.expand],
  [ML_KEM_768.name, (seed: Uint8Array) => ml_kem768.keygen(seed).secretKey],
]);

/** Whether bytes of the right length are a public key, where not all are. */
export const PORTABLE_PUBLIC_CHECKS: ReadonlyMap<KeyAlgorithm["name"], (bytes: Uint8Array) => boolean> = new Map([
  [ML_KEM_768.name, hasReducedCoefficients],
]);

/** FIPS 203, section 7.2, the modulus check: each of 3 * 256 coefficients of 12 bits is below q. */
function hasReducedCoefficients(encapsulationKey: Uint8Array): boolean {
  const MODULUS = 3329;
  for (let at = 0; at < 1152; at += 3) {
    const [a = 0, b = 0, c = 0] = encapsulationKey.subarray(at, at + 3);
    if ((a | ((b & 0x0f) << 8)) >= MODULUS || ((b >> 4) | (c << 4)) >= MODULUS) return false;
  }
  return true;
}

/** `encapsulate` takes its 32 bytes of randomness as an argument; `decapsulate` takes the expanded secret. */
export const PORTABLE_KEM = ml_kem768;

/** Throws for a peer's key that leaves no secret. */
export const portableAgree = (secret: Uint8Array, peer: Uint8Array): Uint8Array => x25519.getSharedSecret(secret, peer);

/** One piece of work for a worker thread. */
export type PortableJob =
  | {
      readonly kind: "sign";
      readonly algorithm: string;
      readonly key: Uint8Array;
      readonly message: Uint8Array;
      readonly context: Uint8Array;
      readonly entropy: Uint8Array | undefined;
    }
  | {
      readonly kind: "verify";
      readonly algorithm: string;
      readonly key: Uint8Array;
      readonly message: Uint8Array;
      readonly context: Uint8Array;
      readonly signature: Uint8Array;
    };

export function runPortableJob(job: PortableJob): Uint8Array | boolean {
  const signatures = PORTABLE_SIGNATURES.get(job.algorithm);
  if (signatures === undefined) throw new Error("unknown algorithm");
  return job.kind === "sign"
    ? signatures.sign(job.key, job.message, job.context, job.entropy)
    : signatures.verify(job.key, job.message, job.context, job.signature);
}
