/** Signs and verifies permits of format 1. What that format does not bind is said at `PermitToken`; prefer `PermitSigner`. */
import type { Clock } from "@kavach/model";
import { SYSTEM_CLOCK } from "@kavach/system";
import {
  ED25519,
  HYBRID_SUITE,
  ML_DSA_65,
  type SignatureAlgorithm,
  SUITE_HAS_ED25519,
  type Suite,
} from "../algorithms.ts";
import { CryptoError } from "../errors.ts";
import { expectKeyPair, KavachKeyPair, signingKeysOf } from "../keys/key-pair.ts";
import { expiresAtMsOf, verifyingKeysOf } from "../keys/public-key-bundle.ts";
import { expectNoOther, optionsOf } from "../no-other-option.ts";
import { provider, type SecretKey } from "../provider.ts";
import {
  decodeEnvelope,
  type EnvelopeKeys,
  type EnvelopeSecrets,
  expectAlgorithm,
  sealEnvelope,
  verifyEnvelope,
} from "./envelope.ts";
import { type PermitToken, signedBytesOf } from "./permit-token.ts";

/** Raw keys. An empty signing key makes a verifier. */
export interface PqOnlyKeys {
  /** 32-byte seed (FIPS 204, algorithm 6), or empty. */
  readonly mlDsaSigningKey: Uint8Array;
  /** 1952 bytes. */
  readonly mlDsaVerifyingKey: Uint8Array;
  /** Any text that is not empty: what envelopes are stamped with. */
  readonly keyId: string;
}

export interface HybridKeys extends PqOnlyKeys {
  /** 32-byte seed (RFC 8032), or empty. */
  readonly ed25519SigningKey: Uint8Array;
  /** 32 bytes. */
  readonly ed25519VerifyingKey: Uint8Array;
}

interface ClockOption {
  /** Absent: this machine's. */
  readonly clock?: Clock;
}

/**
 * Signs and verifies permits of format 1 (ML-DSA-65 of FIPS 204 with an empty context, and Ed25519 of RFC 8032), as the Python package does.
 * The envelope's `algorithm` and `key_id` are not signed: a hybrid envelope that was stripped and relabelled passes a signer of ML-DSA-65 alone.
 */
export class PqTokenSigner {
  /** What envelopes are stamped with; it is not signed. */
  readonly keyId: string;
  /** When the key expires, Unix milliseconds; infinite where it never does, or was given raw. No permit may outlive it. */
  readonly keyExpiresAtMs: number;
  readonly #suite: Suite;
  readonly #keys: EnvelopeKeys;
  /** Asked at every signature, so that an expired or disposed key pair signs nothing. */
  readonly #secrets: () => EnvelopeSecrets;

  private constructor(
    keyId: string,
    suite: Suite,
    keys: EnvelopeKeys,
    secrets: () => EnvelopeSecrets,
    keyExpiresAtMs = Number.POSITIVE_INFINITY,
  ) {
    this.keyId = keyId;
    this.keyExpiresAtMs = keyExpiresAtMs;
    this.#suite = suite;
    this.#keys = keys;
    this.#secrets = secrets;
  }

  /** A fresh key pair that never expires. Throws CryptoError `OPTION_INVALID`. */
  static generateHybrid(options: ClockOption = {}): PqTokenSigner {
    return PqTokenSigner.fromKeypairHybrid(KavachKeyPair.generate(options), options);
  }

  /** The same without Ed25519. */
  static generatePqOnly(options: ClockOption = {}): PqTokenSigner {
    return PqTokenSigner.fromKeypairPqOnly(KavachKeyPair.generate(options), options);
  }

  /** Signs with both algorithms, for as long as the pair has neither expired nor been disposed of. Throws CryptoError `OPTION_INVALID` or `KEY_CORRUPT`. */
  static fromKeypairHybrid(keyPair: KavachKeyPair, options: ClockOption = {}): PqTokenSigner {
    return PqTokenSigner.#fromKeyPair(keyPair, HYBRID_SUITE, options);
  }

  /** The same without Ed25519. */
  static fromKeypairPqOnly(keyPair: KavachKeyPair, options: ClockOption = {}): PqTokenSigner {
    return PqTokenSigner.#fromKeyPair(keyPair, "ml-dsa-65", options);
  }

  /** Throws CryptoError `KEY_CORRUPT`. */
  static hybrid(raw: HybridKeys): PqTokenSigner {
    expectRaw(raw);
    const keys = {
      mlDsa: provider.publicKey(ML_DSA_65, raw.mlDsaVerifyingKey),
      ed25519: provider.publicKey(ED25519, raw.ed25519VerifyingKey),
    };
    const mlDsa = secretIn(ML_DSA_65, raw.mlDsaSigningKey);
    const ed25519 = secretIn(ED25519, raw.ed25519SigningKey);
    const secrets = mlDsa === undefined || ed25519 === undefined ? noSecrets : () => ({ mlDsa, ed25519 });
    return new PqTokenSigner(raw.keyId, HYBRID_SUITE, keys, secrets);
  }

  /** Throws CryptoError `KEY_CORRUPT`. */
  static pqOnly(raw: PqOnlyKeys): PqTokenSigner {
    expectRaw(raw);
    const keys = { mlDsa: provider.publicKey(ML_DSA_65, raw.mlDsaVerifyingKey), ed25519: undefined };
    const mlDsa = secretIn(ML_DSA_65, raw.mlDsaSigningKey);
    const secrets = mlDsa === undefined ? noSecrets : () => ({ mlDsa, ed25519: undefined });
    return new PqTokenSigner(raw.keyId, "ml-dsa-65", keys, secrets);
  }

  static #fromKeyPair(keyPair: KavachKeyPair, suite: Suite, options: ClockOption): PqTokenSigner {
    const { clock = SYSTEM_CLOCK, ...unknown } = optionsOf(options);
    expectNoOther(unknown);
    const bundle = expectKeyPair(keyPair).publicKeys();
    const secrets = () => {
      if (keyPair.isExpiredAt(clock.nowMs())) throw new CryptoError("KEY_EXPIRED", "the signing key has expired");
      const { mlDsa, ed25519 } = signingKeysOf(keyPair);
      return { mlDsa, ed25519: SUITE_HAS_ED25519[suite] ? ed25519 : undefined };
    };
    return new PqTokenSigner(keyPair.id, suite, verifyingKeysOf(bundle), secrets, expiresAtMsOf(bundle));
  }

  /** Whether it makes and demands both signatures. */
  get isHybrid(): boolean {
    return this.#suite === HYBRID_SUITE;
  }

  /** The envelope's bytes. Rejects with CryptoError: `CLAIMS_INVALID`, `NO_SIGNING_KEY`, `KEY_EXPIRED`, `KEY_DISPOSED`, `SIGNING_FAILED`. */
  async sign(token: PermitToken): Promise<Uint8Array<ArrayBuffer>> {
    const message = signedBytesOf(token);
    const secrets = this.#secrets();
    try {
      return await sealEnvelope(this.#suite, this.keyId, secrets, message);
    } catch (cause) {
      throw new CryptoError("SIGNING_FAILED", "the token was not signed", { cause });
    }
  }

  /**
   * Looks at neither the token's times nor the envelope's key id. Rejects with TokenError, and with CryptoError `CLAIMS_INVALID` when the
   * token is none.
   */
  async verify(token: PermitToken, signature: Uint8Array): Promise<void> {
    const message = signedBytesOf(token);
    const envelope = decodeEnvelope(signature);
    expectAlgorithm(envelope, this.#suite);
    await verifyEnvelope(envelope, this.#suite, this.#keys, message);
  }
}

/** An envelope without a key id would be read by nobody. Throws CryptoError `KEY_CORRUPT`. */
function expectRaw(raw: PqOnlyKeys): void {
  const { keyId } = Object(raw) as Partial<PqOnlyKeys>;
  if (typeof keyId === "string" && keyId !== "" && keyId.isWellFormed()) return;
  throw new CryptoError("KEY_CORRUPT", "keyId is a text that is not empty");
}

/** Undefined where the key is empty; what is no bytes at all is for the provider to refuse. Throws CryptoError `KEY_CORRUPT`. */
function secretIn(algorithm: SignatureAlgorithm, key: Uint8Array): SecretKey | undefined {
  return key instanceof Uint8Array && key.length === 0 ? undefined : provider.secretKey(algorithm, key);
}

function noSecrets(): never {
  throw new CryptoError("NO_SIGNING_KEY", "this signer only verifies");
}
