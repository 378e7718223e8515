/** What a cryptographic library must be able to do for this room, and the one that is in use. */
import type { RandomBytes } from "@kavach/model";
import type { KeyAlgorithm, SignatureAlgorithm } from "./algorithms.ts";
import { nativeIsComplete, nativeProvider } from "./native.ts";
import { portableProvider } from "./portable.ts";

/** A key in the library's own form. Opaque, and never printed with its secret. */
export interface SecretKey {
  readonly use: "secret";
}
export interface PublicKey {
  readonly use: "public";
}

export interface Provider {
  readonly name: "native" | "portable";

  /** SHA-256 (FIPS 180-4) over the parts one after the other, 32 bytes. */
  sha256(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer>;
  /** The same of a text in UTF-8. */
  sha256Text(text: string): Uint8Array<ArrayBuffer>;
  randomBytes: RandomBytes;

  /** Throws CryptoError `KEY_CORRUPT` when the bytes are no key of the algorithm. */
  secretKey(algorithm: KeyAlgorithm, secret: Uint8Array): SecretKey;
  /** Overwrites what this library holds of the secret, or lets go of it where it cannot. Using the key then throws CryptoError `KEY_DISPOSED`. */
  wipe(key: SecretKey): void;
  publicKey(algorithm: KeyAlgorithm, bytes: Uint8Array): PublicKey;
  publicBytesOf(algorithm: KeyAlgorithm, secret: Uint8Array): Uint8Array<ArrayBuffer>;

  /** On the calling thread. `context` must be empty where the algorithm has none. */
  sign(
    algorithm: SignatureAlgorithm,
    key: SecretKey,
    message: Uint8Array,
    context: Uint8Array,
  ): Uint8Array<ArrayBuffer>;
  verify(
    algorithm: SignatureAlgorithm,
    key: PublicKey,
    message: Uint8Array,
    context: Uint8Array,
    signature: Uint8Array,
  ): boolean;

  /** The same, off the calling thread. */
  signInBackground(
    algorithm: SignatureAlgorithm,
    key: SecretKey,
    message: Uint8Array,
    context: Uint8Array,
  ): Promise<Uint8Array<ArrayBuffer>>;
  verifyInBackground(
    algorithm: SignatureAlgorithm,
    key: PublicKey,
    message: Uint8Array,
    context: Uint8Array,
    signature: Uint8Array,
  ): Promise<boolean>;

  /** X25519 (RFC 7748, section 6.1), 32 bytes. Throws CryptoError `KEY_CORRUPT` for a peer's key that leaves no secret (all zero). */
  agree(secretKey: SecretKey, peer: PublicKey): Uint8Array<ArrayBuffer>;
  /** ML-KEM-768 (FIPS 203, algorithm 20). Throws CryptoError `KEY_CORRUPT`. */
  encapsulate(peer: PublicKey): Encapsulated;
  /**
   * ML-KEM-768 (FIPS 203, algorithm 21), 32 bytes. A ciphertext for another key gives another secret, and no error. Throws CryptoError
   * `KEY_CORRUPT` for one of a wrong length.
   */
  decapsulate(secretKey: SecretKey, ciphertext: Uint8Array): Uint8Array<ArrayBuffer>;
  /** HKDF-SHA-256 (RFC 5869), 1 to 8160 bytes, `info` at most 1024; otherwise throws CryptoError `OPTION_INVALID`. */
  hkdf(secret: Uint8Array, salt: Uint8Array, info: Uint8Array, size: number): Uint8Array<ArrayBuffer>;
  /** ChaCha20-Poly1305 (RFC 8439, section 2.8): ciphertext and tag. Throws CryptoError `OPTION_INVALID` for a key or nonce of a wrong length. */
  encrypt(box: AeadBox, plaintext: Uint8Array): Uint8Array<ArrayBuffer>;
  /** The plaintext; undefined where key, nonce, associated data or a single bit is another, and for a nonce of a wrong length. */
  decrypt(box: AeadBox, ciphertext: Uint8Array): Uint8Array<ArrayBuffer> | undefined;
  /** scrypt (RFC 7914), off the calling thread or in slices on it, 32 bytes. Rejects where the cost is out of reach. */
  scrypt(passphrase: Uint8Array, salt: Uint8Array, cost: ScryptCost): Promise<Uint8Array<ArrayBuffer>>;
}

/** A fresh secret, and what the holder of the other key makes it from. */
export interface Encapsulated {
  /** 32 bytes. */
  readonly secret: Uint8Array<ArrayBuffer>;
  /** 1088 bytes. */
  readonly ciphertext: Uint8Array<ArrayBuffer>;
}

export interface AeadBox {
  /** 32 bytes. */
  readonly key: Uint8Array;
  /** 12 bytes, never twice under one key. */
  readonly nonce: Uint8Array;
  /** Bytes that are not sealed but bound. */
  readonly associated: Uint8Array;
}

/** Parameters of scrypt (RFC 7914, section 2); memory is 128 * n * r bytes. */
export interface ScryptCost {
  /** A power of two. */
  readonly n: number;
  readonly r: number;
  readonly p: number;
}

/** Native where the runtime has all of it. */
export const provider: Provider = nativeIsComplete() ? nativeProvider : portableProvider;

/** SHA-256 (FIPS 180-4) over the parts one after the other, 32 bytes. Callers length-prefix what could run together. */
export function sha256(...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  return provider.sha256(parts);
}

/** SHA-256 of a text in UTF-8, 32 bytes. */
export function sha256Text(text: string): Uint8Array<ArrayBuffer> {
  return provider.sha256Text(text);
}

/** `size` bytes of the operating system's entropy. */
export const randomBytes: RandomBytes = (size) => provider.randomBytes(size);
