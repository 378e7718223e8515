/** The one table of algorithms, suites and domain tags. Code elsewhere is handed a row and never compares a name. */

/** A signature algorithm. Sizes in bytes. */
export interface SignatureAlgorithm {
  readonly name: string;
  readonly source: string;
  /** Length of the secret seed. */
  readonly secretBytes: number;
  readonly publicBytes: number;
  readonly signatureBytes: number;
  /** Longest context string; 0 where the algorithm has none. */
  readonly contextBytesMax: number;
  /** How `node:crypto` calls the algorithm, and its secret's raw form. */
  readonly native: { readonly type: "ml-dsa-65" | "ed25519"; readonly secretFormat: "raw-seed" | "raw-private" };
}

/** A key agreement or key encapsulation algorithm. Sizes in bytes. */
export interface AgreementAlgorithm {
  readonly name: string;
  readonly source: string;
  readonly secretBytes: number;
  readonly publicBytes: number;
  readonly native: { readonly type: "ml-kem-768" | "x25519"; readonly secretFormat: "raw-seed" | "raw-private" };
}

export type KeyAlgorithm = SignatureAlgorithm | AgreementAlgorithm;

/** ChaCha20-Poly1305 (RFC 8439, section 2.8). Sizes in bytes. */
export const AEAD = Object.freeze({ keyBytes: 32, nonceBytes: 12, tagBytes: 16 });

/** Ciphertext and shared secret of ML-KEM-768 (FIPS 203, table 3), bytes. */
export const KEM = Object.freeze({ ciphertextBytes: 1088, sharedBytes: 32 });

/** Longest output of HKDF-SHA-256 (RFC 5869, section 2.3), bytes. */
export const HKDF_BYTES_MAX = 255 * 32;
/** Longest `info` that every provider takes, bytes. */
export const HKDF_INFO_BYTES_MAX = 1024;

export const ML_DSA_65: SignatureAlgorithm = Object.freeze<SignatureAlgorithm>({
  name: "ML-DSA-65",
  source: "FIPS 204, table 2",
  secretBytes: 32,
  publicBytes: 1952,
  signatureBytes: 3309,
  contextBytesMax: 255,
  native: { type: "ml-dsa-65", secretFormat: "raw-seed" },
});

export const ED25519: SignatureAlgorithm = Object.freeze<SignatureAlgorithm>({
  name: "Ed25519",
  source: "RFC 8032, section 5.1",
  secretBytes: 32,
  publicBytes: 32,
  signatureBytes: 64,
  contextBytesMax: 0,
  native: { type: "ed25519", secretFormat: "raw-private" },
});

export const ML_KEM_768: AgreementAlgorithm = Object.freeze<AgreementAlgorithm>({
  name: "ML-KEM-768",
  source: "FIPS 203, table 3",
  secretBytes: 64,
  publicBytes: 1184,
  native: { type: "ml-kem-768", secretFormat: "raw-seed" },
});

export const X25519: AgreementAlgorithm = Object.freeze<AgreementAlgorithm>({
  name: "X25519",
  source: "RFC 7748, section 5",
  secretBytes: 32,
  publicBytes: 32,
  native: { type: "x25519", secretFormat: "raw-private" },
});

/** Which signatures a signed thing carries; all of them must verify. The suite comes from configuration, never from a message. */
export const SUITES = ["ml-dsa-65", "ml-dsa-65+ed25519"] as const;
export type Suite = (typeof SUITES)[number];
export const HYBRID_SUITE: Suite = "ml-dsa-65+ed25519";

/** Whether the suite carries an Ed25519 signature beside ML-DSA-65. */
export const SUITE_HAS_ED25519: Readonly<Record<Suite, boolean>> = Object.freeze({
  "ml-dsa-65": false,
  "ml-dsa-65+ed25519": true,
});

export function isSuite(text: string): text is Suite {
  return (SUITES as readonly string[]).includes(text);
}

/**
 * One tag for each kind of signed thing. The tag leads the signed bytes and is the ML-DSA context string as well, so a
 * signature over one kind never verifies as another. None is the beginning of another.
 */
export const DOMAINS = Object.freeze({
  permit: "kavach-permit-v2",
  manifest: "kavach-manifest-v2",
  auditCheckpoint: "kavach-audit-checkpoint-v2",
  channelMessage: "kavach-channel-message-v2",
});
export type Domain = (typeof DOMAINS)[keyof typeof DOMAINS];
