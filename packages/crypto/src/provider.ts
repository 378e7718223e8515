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
  randomBytes: RandomBytes;

  /** Throws CryptoError `KEY_CORRUPT` when the bytes are no key of the algorithm. */
  secretKey(algorithm: KeyAlgorithm, secret: Uint8Array): SecretKey;
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
}

/** Native where the runtime has all of it. */
export const provider: Provider = nativeIsComplete() ? nativeProvider : portableProvider;

/** SHA-256 (FIPS 180-4) over the parts one after the other, 32 bytes. Callers length-prefix what could run together. */
export function sha256(...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  return provider.sha256(parts);
}

/** `size` bytes of the operating system's entropy. */
export const randomBytes: RandomBytes = (size) => provider.randomBytes(size);
