/** The portable provider: plain JavaScript, for runtimes whose `node:crypto` lacks ML-DSA; and in tests, the native one's judge. */
import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import { hkdf } from "@noble/hashes/hkdf.js";
import { scryptAsync } from "@noble/hashes/scrypt.js";
import { sha256 } from "@noble/hashes/sha2.js";
import {
  AEAD,
  HKDF_BYTES_MAX,
  HKDF_INFO_BYTES_MAX,
  KEM,
  type KeyAlgorithm,
  type SignatureAlgorithm,
} from "./algorithms.ts";
import { CryptoError } from "./errors.ts";
import { concat, utf8 } from "./framing.ts";
import {
  PORTABLE_EXPANSIONS,
  PORTABLE_KEM,
  PORTABLE_PUBLIC_CHECKS,
  PORTABLE_PUBLIC_KEYS,
  PORTABLE_SIGNATURES,
  type PortableSignatures,
  portableAgree,
} from "./portable-algorithms.ts";
import { runInThread } from "./portable-thread.ts";
import type { Provider, PublicKey, SecretKey } from "./provider.ts";

const ENTROPY_BYTES = 32;
/** Most bytes that one call of the runtime's generator gives. */
const RANDOM_CHUNK_BYTES = 65_536;

/** Keeps the bytes out of sight of printing and cloning. */
class PortableKey<Use extends "secret" | "public"> {
  readonly use: Use;
  #bytes: Uint8Array | undefined;

  constructor(use: Use, bytes: Uint8Array) {
    this.use = use;
    this.#bytes = bytes;
  }

  static bytesOf(key: SecretKey | PublicKey): Uint8Array {
    if (!(key instanceof PortableKey)) throw new CryptoError("KEY_CORRUPT", "the key belongs to another provider");
    if (key.#bytes === undefined) throw new CryptoError("KEY_DISPOSED", "the key was wiped");
    return key.#bytes as Uint8Array;
  }

  static wipe(key: SecretKey): void {
    if (!(key instanceof PortableKey)) return;
    key.#bytes?.fill(0);
    key.#bytes = undefined;
  }
}

function signaturesOf(algorithm: KeyAlgorithm): PortableSignatures | undefined {
  return PORTABLE_SIGNATURES.get(algorithm.name);
}

function signerOf(algorithm: SignatureAlgorithm, context: Uint8Array): PortableSignatures {
  const signatures = signaturesOf(algorithm);
  if (signatures === undefined || context.length > algorithm.contextBytesMax) {
    throw new CryptoError(
      "OPTION_INVALID",
      `${algorithm.name}: context longer than ${algorithm.contextBytesMax} bytes`,
    );
  }
  return signatures;
}

function expectLength(algorithm: KeyAlgorithm, use: "secret" | "public", bytes: Uint8Array): void {
  const length = use === "secret" ? algorithm.secretBytes : algorithm.publicBytes;
  if (!(bytes instanceof Uint8Array)) throw new CryptoError("KEY_CORRUPT", `${algorithm.name}: a ${use} key is bytes`);
  if (bytes.length === length) return;
  throw new CryptoError("KEY_CORRUPT", `${algorithm.name}: ${use} key has ${bytes.length} bytes instead of ${length}`);
}

function randomBytes(size: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size; at += RANDOM_CHUNK_BYTES) {
    globalThis.crypto.getRandomValues(bytes.subarray(at, at + RANDOM_CHUNK_BYTES));
  }
  return bytes;
}

export const portableProvider: Provider = {
  name: "portable",

  sha256: (parts) => sha256(concat(...parts)) as Uint8Array<ArrayBuffer>,
  sha256Text: (text) => sha256(utf8(text)) as Uint8Array<ArrayBuffer>,

  randomBytes,

  secretKey(algorithm, secret) {
    expectLength(algorithm, "secret", secret);
    return new PortableKey("secret", PORTABLE_EXPANSIONS.get(algorithm.name)?.(secret) ?? new Uint8Array(secret));
  },

  wipe: PortableKey.wipe,

  publicKey(algorithm, bytes) {
    expectLength(algorithm, "public", bytes);
    if (PORTABLE_PUBLIC_CHECKS.get(algorithm.name)?.(bytes) === false) {
      throw new CryptoError("KEY_CORRUPT", `${algorithm.name}: not a public key`);
    }
    // Not `slice`, which of a Buffer is no copy: the caller may wipe its own.
    return new PortableKey("public", new Uint8Array(bytes));
  },

  publicBytesOf(algorithm, secret) {
    expectLength(algorithm, "secret", secret);
    const derive = PORTABLE_PUBLIC_KEYS.get(algorithm.name);
    if (derive === undefined) throw new CryptoError("KEY_CORRUPT", `${algorithm.name}: unknown`);
    return new Uint8Array(derive(secret));
  },

  sign(algorithm, key, message, context) {
    const entropy = randomBytes(ENTROPY_BYTES);
    return new Uint8Array(signerOf(algorithm, context).sign(PortableKey.bytesOf(key), message, context, entropy));
  },

  verify(algorithm, key, message, context, signature) {
    const signatures = signerOf(algorithm, context);
    if (signature.length !== algorithm.signatureBytes) return false;
    return signatures.verify(PortableKey.bytesOf(key), message, context, signature);
  },

  async signInBackground(algorithm, key, message, context) {
    signerOf(algorithm, context);
    const entropy = randomBytes(ENTROPY_BYTES);
    const job = {
      kind: "sign",
      algorithm: algorithm.name,
      key: PortableKey.bytesOf(key),
      message,
      context,
      entropy,
    } as const;
    const signature = await runInThread(job);
    return new Uint8Array(signature as Uint8Array);
  },

  async verifyInBackground(algorithm, key, message, context, signature) {
    signerOf(algorithm, context);
    if (signature.length !== algorithm.signatureBytes) return false;
    const bytes = PortableKey.bytesOf(key);
    return (
      (await runInThread({ kind: "verify", algorithm: algorithm.name, key: bytes, message, context, signature })) ===
      true
    );
  },

  agree: (secretKey, peer) => {
    const [secret, bytes] = [PortableKey.bytesOf(secretKey), PortableKey.bytesOf(peer)];
    try {
      return new Uint8Array(portableAgree(secret, bytes));
    } catch (cause) {
      throw new CryptoError("KEY_CORRUPT", "X25519: no key to agree with", { cause });
    }
  },

  encapsulate(peer) {
    const { sharedSecret, cipherText } = PORTABLE_KEM.encapsulate(PortableKey.bytesOf(peer), randomBytes(32));
    return { secret: new Uint8Array(sharedSecret), ciphertext: new Uint8Array(cipherText) };
  },

  decapsulate(secretKey, ciphertext) {
    if (ciphertext.length !== KEM.ciphertextBytes) {
      throw new CryptoError("KEY_CORRUPT", `ML-KEM-768: a ciphertext has ${KEM.ciphertextBytes} bytes`);
    }
    return new Uint8Array(PORTABLE_KEM.decapsulate(ciphertext, PortableKey.bytesOf(secretKey)));
  },

  hkdf(secret, salt, info, size) {
    if (!(size >= 1 && size <= HKDF_BYTES_MAX && info.length <= HKDF_INFO_BYTES_MAX)) {
      throw new CryptoError("OPTION_INVALID", "HKDF: output or info out of bounds");
    }
    return new Uint8Array(hkdf(sha256, secret, salt, info, size));
  },

  encrypt({ key, nonce, associated }, plaintext) {
    if (key.length !== AEAD.keyBytes || nonce.length !== AEAD.nonceBytes) {
      throw new CryptoError("OPTION_INVALID", "ChaCha20-Poly1305: wrong key or nonce length");
    }
    return new Uint8Array(chacha20poly1305(key, nonce, associated).encrypt(plaintext));
  },

  decrypt({ key, nonce, associated }, ciphertext) {
    try {
      return new Uint8Array(chacha20poly1305(key, nonce, associated).decrypt(ciphertext));
    } catch {
      return undefined;
    }
  },

  async scrypt(passphrase, salt, { n, r, p }) {
    const maxmem = 128 * n * r + 128 * r * p + 1024 * 1024;
    return new Uint8Array(await scryptAsync(passphrase, salt, { N: n, r, p, dkLen: 32, maxmem }));
  },
};
