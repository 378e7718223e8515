/** A key pair: four secret seeds and their public keys. Secrets leave only through `toSecretBytes`. */
import { type Clock, type RandomBytes, uuidFromRandom } from "@kavach/model";
import { SYSTEM_CLOCK } from "@kavach/system";
import { ED25519, type KeyAlgorithm, ML_DSA_65, ML_KEM_768, X25519 } from "../algorithms.ts";
import { CryptoError } from "../errors.ts";
import { concat, equalBytes, utf8 } from "../framing.ts";
import { INSTANT_MS_MAX, instantText } from "../instant.ts";
import { expectNoOther, optionsOf } from "../no-other-option.ts";
import { provider, randomBytes, type SecretKey } from "../provider.ts";
import { encodeSignedManifestV1 } from "../v1/manifest.ts";
import { readAtMost, replaceFile } from "./disk.ts";
import { decryptFile, encryptFile, isEncryptedFile, KEY_FILE_BYTES_MAX } from "./encrypted-file.ts";
import { decodeTagged, KEY_FORM_VERSION, keyFields } from "./key-json.ts";
import { bundleFromJson, bundleToJson, expiresAtMsOf, type PublicKeyBundle } from "./public-key-bundle.ts";

export interface GenerateOptions {
  /** Absent: this machine's. */
  readonly clock?: Clock;
  /** Whole seconds, at least 1. Absent: the keys never expire. */
  readonly expiresInSeconds?: number;
  /** Absent: the operating system's. */
  readonly random?: RandomBytes;
}

export interface SaveOptions {
  /** Encrypts the file. Absent: secrets lie in it as they are. */
  readonly passphrase?: string;
  /** Binary logarithm of scrypt's cost, 14 to 20; only beside a passphrase. Default 17: 128 MiB and some half a second. */
  readonly workFactor?: number;
}

export interface LoadOptions {
  /** Demanded by an encrypted file, and refused for one that is not. */
  readonly passphrase?: string;
}

interface Seeds {
  readonly mlDsa: Uint8Array;
  readonly mlKem: Uint8Array;
  readonly ed25519: Uint8Array;
  readonly x25519: Uint8Array;
}

/** The keys of a pair that sign, in the provider's form. */
export interface SigningKeys {
  readonly mlDsa: SecretKey;
  readonly ed25519: SecretKey;
}

/** The keys of a pair that open what was sealed for it. */
export interface OpeningKeys {
  readonly mlKem: SecretKey;
  readonly x25519: SecretKey;
}

const MAGIC = utf8("KVSK");

/** Set by the class below: the one way to its signing keys, for this room only. Throws CryptoError `KEY_DISPOSED`, and `KEY_CORRUPT` for what is no key pair. */
export let signingKeysOf: (keyPair: KavachKeyPair) => SigningKeys;
/** The same for the keys that open. */
export let openingKeysOf: (keyPair: KavachKeyPair) => OpeningKeys;

/**
 * One identity: keys of ML-DSA-65 (FIPS 204) and Ed25519 (RFC 8032) that sign, of ML-KEM-768 (FIPS 203) and X25519 (RFC 7748) that open. Its
 * secrets are not printed, logged or serialised.
 */
export class KavachKeyPair {
  readonly #bundle: PublicKeyBundle;
  readonly #clock: Clock;
  #seeds: Seeds | undefined;
  #signing: SigningKeys | undefined;
  #opening: OpeningKeys | undefined;

  static {
    openingKeysOf = (keyPair) => {
      const seeds = expectKeyPair(keyPair).#open();
      keyPair.#opening ??= {
        mlKem: provider.secretKey(ML_KEM_768, seeds.mlKem),
        x25519: provider.secretKey(X25519, seeds.x25519),
      };
      return keyPair.#opening;
    };
    signingKeysOf = (keyPair) => {
      const seeds = expectKeyPair(keyPair).#open();
      keyPair.#signing ??= {
        mlDsa: provider.secretKey(ML_DSA_65, seeds.mlDsa),
        ed25519: provider.secretKey(ED25519, seeds.ed25519),
      };
      return keyPair.#signing;
    };
  }

  private constructor(bundle: PublicKeyBundle, seeds: Seeds, clock: Clock = SYSTEM_CLOCK) {
    this.#clock = clock;
    this.#bundle = bundle;
    this.#seeds = seeds;
  }

  /** Throws CryptoError `OPTION_INVALID`. */
  static generate(options: GenerateOptions = {}): KavachKeyPair {
    const { clock = SYSTEM_CLOCK, expiresInSeconds, random = randomBytes, ...unknown } = optionsOf(options);
    expectNoOther(unknown);
    if (expiresInSeconds !== undefined && !(Number.isSafeInteger(expiresInSeconds) && expiresInSeconds >= 1)) {
      throw new CryptoError("OPTION_INVALID", "expiresInSeconds is a whole number of at least 1");
    }
    const nowMs = Math.floor(clock.nowMs());
    const seeds: Seeds = {
      mlDsa: random(ML_DSA_65.secretBytes),
      mlKem: random(ML_KEM_768.secretBytes),
      ed25519: random(ED25519.secretBytes),
      x25519: random(X25519.secretBytes),
    };
    const bundle: PublicKeyBundle = Object.freeze({
      id: `kavach-key-${uuidFromRandom(random(16))}`,
      ...publicKeysOf(seeds),
      createdAt: instantText(nowMs),
      expiresAt: expiresInSeconds === undefined ? null : expiryText(nowMs, expiresInSeconds),
    });
    return new KavachKeyPair(bundle, seeds, clock);
  }

  /** From `KVSK`, byte 01, JSON. Throws CryptoError `KEY_CORRUPT`, also when a public key is not the secret's own. */
  static fromSecretBytes(bytes: Uint8Array): KavachKeyPair {
    const json = decodeTagged(MAGIC, bytes);
    const fields = keyFields(json);
    const bundle = bundleFromJson(json);
    const seeds: Seeds = {
      mlDsa: fields.bytes("ml_dsa_signing_key", ML_DSA_65.secretBytes),
      mlKem: fields.bytes("ml_kem_decapsulation_key", ML_KEM_768.secretBytes),
      ed25519: fields.bytes("ed25519_signing_key", ED25519.secretBytes),
      x25519: fields.bytes("x25519_secret_key", X25519.secretBytes),
    };
    for (const [name, key] of Object.entries(publicKeysOf(seeds))) {
      if (!equalBytes(key, bundle[name as keyof ReturnType<typeof publicKeysOf>])) {
        throw new CryptoError("KEY_CORRUPT", `${name} does not belong to its secret`);
      }
    }
    return new KavachKeyPair(bundle, seeds);
  }

  /**
   * Writes the pair to a file that its owner alone may read, whole or not at all. Rejects with CryptoError `OPTION_INVALID` or
   * `KEY_DISPOSED`, and with whatever the file system says.
   */
  async saveToFile(path: string, options: SaveOptions = {}): Promise<void> {
    const { passphrase, workFactor, ...unknown } = optionsOf(options);
    expectNoOther(unknown);
    if (passphrase === undefined && workFactor !== undefined) {
      throw new CryptoError("OPTION_INVALID", "workFactor says how to encrypt, but there is no passphrase");
    }
    const secret = this.toSecretBytes();
    try {
      const content = passphrase === undefined ? secret : await encryptFile(secret, passphrase, workFactor);
      await replaceFile(path, content);
    } finally {
      secret.fill(0);
    }
  }

  /** Reads what `saveToFile` wrote, here or in the Python package. Rejects as `open` does, and with whatever the file system says. */
  static async loadFromFile(path: string, options: LoadOptions = {}): Promise<KavachKeyPair> {
    const content = await readAtMost(path, KEY_FILE_BYTES_MAX);
    try {
      return await KavachKeyPair.open(content, options);
    } finally {
      content.fill(0);
    }
  }

  /**
   * From the content of a key file, encrypted or not. Rejects with CryptoError `KEY_CORRUPT`, `PASSPHRASE_NEEDED`, `PASSPHRASE_WRONG`,
   * and `OPTION_INVALID` when a passphrase is given for a file that is not encrypted: somebody takes it for safer than it is.
   */
  static async open(content: Uint8Array, options: LoadOptions = {}): Promise<KavachKeyPair> {
    const { passphrase, ...unknown } = optionsOf(options);
    expectNoOther(unknown);
    if (!(content instanceof Uint8Array)) throw new CryptoError("KEY_CORRUPT", "a key file is bytes");
    if (!isEncryptedFile(content)) {
      if (passphrase === undefined) return KavachKeyPair.fromSecretBytes(content);
      throw new CryptoError("OPTION_INVALID", "a passphrase was given, but the key file is not encrypted");
    }
    if (passphrase === undefined) throw new CryptoError("PASSPHRASE_NEEDED", "the key file is encrypted");
    const secret = await decryptFile(content, passphrase);
    try {
      return KavachKeyPair.fromSecretBytes(secret);
    } finally {
      secret.fill(0);
    }
  }

  /** `kavach-key-<uuid>` where it was generated here; any text where it was read. */
  get id(): string {
    return this.#bundle.id;
  }

  /** RFC 3339. */
  get createdAt(): string {
    return this.#bundle.createdAt;
  }

  /** RFC 3339; `null`: never. */
  get expiresAt(): string | null {
    return this.#bundle.expiresAt;
  }

  /** By this machine's clock, or by the one that `generate` was given. */
  get isExpired(): boolean {
    return this.isExpiredAt(this.#clock.nowMs());
  }

  /** `nowMs`: Unix milliseconds. */
  isExpiredAt(nowMs: number): boolean {
    // Written so that a time that is no number counts as expired.
    return !(nowMs < expiresAtMsOf(this.#bundle));
  }

  /** A copy each time: bytes cannot be frozen, and what its holder does to them must not become this pair's. */
  publicKeys(): PublicKeyBundle {
    const { mlDsaVerifyingKey, mlKemEncapsulationKey, ed25519VerifyingKey, x25519PublicKey } = this.#bundle;
    return Object.freeze({
      ...this.#bundle,
      mlDsaVerifyingKey: mlDsaVerifyingKey.slice(),
      mlKemEncapsulationKey: mlKemEncapsulationKey.slice(),
      ed25519VerifyingKey: ed25519VerifyingKey.slice(),
      x25519PublicKey: x25519PublicKey.slice(),
    });
  }

  /**
   * A manifest of format 1 with this pair as its root, for `PublicKeyDirectory.fromSignedFile` here and in the Python package. It neither
   * expires nor has a version: `buildSignedManifest`, the function, makes one of format 2. Throws CryptoError `KEY_EXPIRED` or `KEY_DISPOSED`.
   */
  buildSignedManifest(bundles: readonly PublicKeyBundle[], options: { readonly clock?: Clock } = {}) {
    const { clock = SYSTEM_CLOCK, ...unknown } = optionsOf(options);
    expectNoOther(unknown);
    if (this.isExpiredAt(clock.nowMs())) throw new CryptoError("KEY_EXPIRED", "the root key has expired");
    const { mlDsa } = signingKeysOf(this);
    return encodeSignedManifestV1(bundles, (text) => provider.sign(ML_DSA_65, mlDsa, text, new Uint8Array(0)));
  }

  /** `KVSK`, byte 01, JSON with every seed. The caller guards and wipes it. Throws CryptoError `KEY_DISPOSED`. */
  toSecretBytes(): Uint8Array<ArrayBuffer> {
    const seeds = this.#open();
    const keys = bundleToJson(this.#bundle);
    const json = JSON.stringify({
      id: keys.id,
      created_at: keys.created_at,
      expires_at: keys.expires_at,
      ml_dsa_signing_key: [...seeds.mlDsa],
      ml_dsa_verifying_key: keys.ml_dsa_verifying_key,
      ml_kem_decapsulation_key: [...seeds.mlKem],
      ml_kem_encapsulation_key: keys.ml_kem_encapsulation_key,
      ed25519_signing_key: [...seeds.ed25519],
      ed25519_verifying_key: keys.ed25519_verifying_key,
      x25519_secret_key: [...seeds.x25519],
      x25519_public_key: keys.x25519_public_key,
    });
    const text = utf8(json);
    const bytes = concat(MAGIC, KEY_FORM_VERSION, text);
    text.fill(0);
    return bytes;
  }

  /** Overwrites the seeds and wipes the library's keys. Whoever signs with this pair afterwards gets an error. */
  dispose(): void {
    for (const seed of Object.values(this.#seeds ?? {}) as Uint8Array[]) seed.fill(0);
    const opened = [this.#signing, this.#opening].flatMap((keys): SecretKey[] => Object.values(keys ?? {}));
    for (const key of opened) provider.wipe(key);
    this.#seeds = undefined;
    this.#signing = undefined;
    this.#opening = undefined;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /** What may be shown: the id and the times. */
  toJSON() {
    return { id: this.id, createdAt: this.createdAt, expiresAt: this.expiresAt };
  }

  #open(): Seeds {
    if (this.#seeds === undefined) throw new CryptoError("KEY_DISPOSED", "the key pair was disposed of");
    return this.#seeds;
  }
}

/** The pair itself. Throws CryptoError `KEY_CORRUPT` for anything else. */
export function expectKeyPair(keyPair: KavachKeyPair): KavachKeyPair {
  if (keyPair instanceof KavachKeyPair) return keyPair;
  throw new CryptoError("KEY_CORRUPT", "not a key pair");
}

function publicKeysOf(seeds: Seeds) {
  const derive = (algorithm: KeyAlgorithm, secret: Uint8Array) => provider.publicBytesOf(algorithm, secret);
  return {
    mlDsaVerifyingKey: derive(ML_DSA_65, seeds.mlDsa),
    mlKemEncapsulationKey: derive(ML_KEM_768, seeds.mlKem),
    ed25519VerifyingKey: derive(ED25519, seeds.ed25519),
    x25519PublicKey: derive(X25519, seeds.x25519),
  };
}

function expiryText(nowMs: number, expiresInSeconds: number): string {
  const expiresAtMs = nowMs + expiresInSeconds * 1000;
  if (expiresAtMs > INSTANT_MS_MAX) throw new CryptoError("OPTION_INVALID", "expiresInSeconds is too far away");
  return instantText(expiresAtMs);
}
