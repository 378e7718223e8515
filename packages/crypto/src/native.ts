/** The native provider: `node:crypto` on OpenSSL 3.5 or later. The only file that imports it. */
import nodeCrypto, {
  createCipheriv,
  createDecipheriv,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  hash,
  hkdfSync,
  type KeyObject,
  scrypt as nodeScrypt,
  sign as nodeSign,
  verify as nodeVerify,
  randomFillSync,
} from "node:crypto";
import {
  AEAD,
  HKDF_BYTES_MAX,
  HKDF_INFO_BYTES_MAX,
  KEM,
  type KeyAlgorithm,
  ML_DSA_65,
  type SignatureAlgorithm,
} from "./algorithms.ts";
import { CryptoError } from "./errors.ts";
import { concat } from "./framing.ts";
import type { AeadBox, Provider, PublicKey, ScryptCost, SecretKey } from "./provider.ts";

/** Keeps the library's key out of sight of printing and cloning. */
class NativeKey<Use extends "secret" | "public"> {
  readonly use: Use;
  #key: KeyObject | undefined;

  constructor(use: Use, key: KeyObject) {
    this.use = use;
    this.#key = key;
  }

  static keyOf(key: SecretKey | PublicKey): KeyObject {
    if (!(key instanceof NativeKey)) throw new CryptoError("KEY_CORRUPT", "the key belongs to another provider");
    if (key.#key === undefined) throw new CryptoError("KEY_DISPOSED", "the key was wiped");
    return key.#key as KeyObject;
  }

  /** The library overwrites its copy when nobody holds the key any more. */
  static letGo(key: SecretKey): void {
    if (key instanceof NativeKey) key.#key = undefined;
  }
}

function importSecret(algorithm: KeyAlgorithm, secret: Uint8Array): KeyObject {
  expectLength(algorithm.name, "secret", secret, algorithm.secretBytes);
  const { type, secretFormat } = algorithm.native;
  // The library wants a Buffer: a view, since a copy of a secret would have to be wiped.
  const key = Buffer.from(secret.buffer, secret.byteOffset, secret.length);
  try {
    return createPrivateKey({ key, format: secretFormat, asymmetricKeyType: type });
  } catch (cause) {
    throw new CryptoError("KEY_CORRUPT", `${algorithm.name}: not a secret key`, { cause });
  }
}

function importPublic(algorithm: KeyAlgorithm, bytes: Uint8Array): KeyObject {
  expectLength(algorithm.name, "public", bytes, algorithm.publicBytes);
  try {
    return createPublicKey({ key: Buffer.from(bytes), format: "raw-public", asymmetricKeyType: algorithm.native.type });
  } catch (cause) {
    throw new CryptoError("KEY_CORRUPT", `${algorithm.name}: not a public key`, { cause });
  }
}

function expectLength(name: string, use: string, bytes: Uint8Array, length: number): void {
  if (!(bytes instanceof Uint8Array)) throw new CryptoError("KEY_CORRUPT", `${name}: a ${use} key is bytes`);
  if (bytes.length === length) return;
  throw new CryptoError("KEY_CORRUPT", `${name}: ${use} key has ${bytes.length} bytes instead of ${length}`);
}

const CIPHER = "chacha20-poly1305";
const DERIVED_BYTES = 32;

/** The library's own errors become ours, whose code says that the peer's key or message was at fault. */
function guarded<T>(what: string, run: () => T): T {
  try {
    return run();
  } catch (cause) {
    if (cause instanceof CryptoError) throw cause;
    throw new CryptoError("KEY_CORRUPT", what, { cause });
  }
}

function scryptInBackground(
  passphrase: Uint8Array,
  salt: Uint8Array,
  { n, r, p }: ScryptCost,
): Promise<Uint8Array<ArrayBuffer>> {
  // The library's own limit is below what RFC 7914 calls for.
  const maxmem = 128 * n * r + 128 * r * p + 1024 * 1024;
  return new Promise((resolve, reject) => {
    nodeScrypt(passphrase, salt, DERIVED_BYTES, { N: n, r, p, maxmem }, (error, key) => {
      if (error === null) resolve(new Uint8Array(key));
      else reject(error);
    });
  });
}

const hasAeadLengths = ({ key, nonce }: AeadBox) => key.length === AEAD.keyBytes && nonce.length === AEAD.nonceBytes;

/** The signing input of `node:crypto`: OpenSSL takes a context only for algorithms that have one. */
function keyInput(algorithm: SignatureAlgorithm, key: SecretKey | PublicKey, context: Uint8Array) {
  if (context.length > algorithm.contextBytesMax) {
    throw new CryptoError(
      "OPTION_INVALID",
      `${algorithm.name}: context longer than ${algorithm.contextBytesMax} bytes`,
    );
  }
  return { key: NativeKey.keyOf(key), ...(context.length > 0 && { context }) };
}

/** In one shot, as an object that is fed part by part costs more; and as a text of 32 characters, as memory outside the heap does too. */
function digestOf(data: Uint8Array | string): Uint8Array<ArrayBuffer> {
  const text = hash("sha256", data, "binary");
  const digest = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) digest[i] = text.charCodeAt(i);
  return digest;
}

export const nativeProvider: Provider = {
  name: "native",

  sha256(parts) {
    return digestOf(parts.length === 1 ? (parts[0] as Uint8Array) : concat(...parts));
  },

  sha256Text: digestOf,

  randomBytes: (size) => randomFillSync(new Uint8Array(size)),

  secretKey: (algorithm, secret) => new NativeKey("secret", importSecret(algorithm, secret)),

  wipe: NativeKey.letGo,

  publicKey: (algorithm, bytes) => new NativeKey("public", importPublic(algorithm, bytes)),

  publicBytesOf(algorithm, secret) {
    const publicKey = createPublicKey(importSecret(algorithm, secret));
    return new Uint8Array(publicKey.export({ format: "raw-public" }));
  },

  sign(algorithm, key, message, context) {
    return new Uint8Array(nodeSign(null, message, keyInput(algorithm, key, context)));
  },

  verify(algorithm, key, message, context, signature) {
    const input = keyInput(algorithm, key, context);
    return signature.length === algorithm.signatureBytes && nodeVerify(null, message, input, signature);
  },

  async signInBackground(algorithm, key, message, context) {
    return await new Promise((resolve, reject) => {
      nodeSign(null, message, keyInput(algorithm, key, context), (error, signature) => {
        if (error === null) resolve(new Uint8Array(signature));
        else reject(error);
      });
    });
  },

  async verifyInBackground(algorithm, key, message, context, signature) {
    const input = keyInput(algorithm, key, context);
    if (signature.length !== algorithm.signatureBytes) return false;
    return await new Promise((resolve, reject) => {
      nodeVerify(null, message, input, signature, (error, valid) => {
        if (error === null) resolve(valid);
        else reject(error);
      });
    });
  },

  agree: (secretKey, peer) =>
    guarded("X25519: no key to agree with", () => {
      const [privateKey, publicKey] = [NativeKey.keyOf(secretKey), NativeKey.keyOf(peer)];
      return new Uint8Array(diffieHellman({ privateKey, publicKey }));
    }),

  encapsulate: (peer) =>
    guarded("ML-KEM-768: no key to encapsulate to", () => {
      const { sharedKey, ciphertext } = nodeCrypto.encapsulate(NativeKey.keyOf(peer));
      return { secret: new Uint8Array(sharedKey), ciphertext: new Uint8Array(ciphertext) };
    }),

  decapsulate(secretKey, ciphertext) {
    if (ciphertext.length !== KEM.ciphertextBytes) {
      throw new CryptoError("KEY_CORRUPT", `ML-KEM-768: a ciphertext has ${KEM.ciphertextBytes} bytes`);
    }
    return guarded(
      "ML-KEM-768: no ciphertext",
      () => new Uint8Array(nodeCrypto.decapsulate(NativeKey.keyOf(secretKey), ciphertext)),
    );
  },

  hkdf(secret, salt, info, size) {
    if (!(size >= 1 && size <= HKDF_BYTES_MAX && info.length <= HKDF_INFO_BYTES_MAX)) {
      throw new CryptoError("OPTION_INVALID", "HKDF: output or info out of bounds");
    }
    return new Uint8Array(hkdfSync("sha256", secret, salt, info, size));
  },

  encrypt(box, plaintext) {
    if (!hasAeadLengths(box)) throw new CryptoError("OPTION_INVALID", "ChaCha20-Poly1305: wrong key or nonce length");
    const cipher = createCipheriv(CIPHER, box.key, box.nonce, { authTagLength: AEAD.tagBytes });
    cipher.setAAD(box.associated, { plaintextLength: plaintext.length });
    const sealed = [cipher.update(plaintext), cipher.final()];
    return concat(...sealed, cipher.getAuthTag());
  },

  decrypt(box, ciphertext) {
    const size = ciphertext.length - AEAD.tagBytes;
    if (size < 0 || !hasAeadLengths(box)) return undefined;
    const decipher = createDecipheriv(CIPHER, box.key, box.nonce, { authTagLength: AEAD.tagBytes });
    decipher.setAAD(box.associated, { plaintextLength: size });
    decipher.setAuthTag(ciphertext.subarray(size));
    const opened = decipher.update(ciphertext.subarray(0, size));
    try {
      decipher.final();
    } catch {
      return undefined;
    }
    return new Uint8Array(opened);
  },

  scrypt: scryptInBackground,
};

/**
 * Whether this runtime signs ML-DSA with a context string (Node 24 on OpenSSL 3.5). Tried rather than looked up: a runtime that
 * ignored the context would sign and verify without a word.
 */
export function nativeIsComplete(): boolean {
  try {
    const [secret, context, none] = [new Uint8Array(ML_DSA_65.secretBytes), Uint8Array.of(1), new Uint8Array(0)];
    const secretKey = nativeProvider.secretKey(ML_DSA_65, secret);
    const publicKey = nativeProvider.publicKey(ML_DSA_65, nativeProvider.publicBytesOf(ML_DSA_65, secret));
    const signature = nativeProvider.sign(ML_DSA_65, secretKey, none, context);
    const verify = (read: Uint8Array) => nativeProvider.verify(ML_DSA_65, publicKey, none, read, signature);
    const knowsKem = typeof nodeCrypto.encapsulate === "function" && typeof nodeCrypto.decapsulate === "function";
    return knowsKem && verify(context) && !verify(none);
  } catch {
    return false;
  }
}
