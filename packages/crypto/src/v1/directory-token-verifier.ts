/** Verifies permits of format 1 by the keys of a directory. It does not look at the token's times: its caller must. */
import type { Clock } from "@kavach/model";
import { SYSTEM_CLOCK } from "@kavach/system";
import { HYBRID_SUITE, type Suite } from "../algorithms.ts";
import type { KeyLookup } from "../directory/key-table.ts";
import { CryptoError, DirectoryError, TokenError } from "../errors.ts";
import { expiresAtMsOf, type PublicKeyBundle, verifyingKeysOf } from "../keys/public-key-bundle.ts";
import { optionsOf } from "../no-other-option.ts";
import { decodeEnvelope, expectAlgorithm, verifyEnvelope } from "./envelope.ts";
import { type PermitToken, signedBytesOf } from "./permit-token.ts";

export interface DirectoryTokenVerifierOptions {
  /** Absent: this machine's. */
  readonly clock?: Clock;
  /** Demands both signatures; otherwise takes envelopes of ML-DSA-65 alone, and those only. Default true. */
  readonly hybrid?: boolean;
  /** Refuses bundles that have expired. Default true. */
  readonly enforceExpiry?: boolean;
}

const OPTIONS: ReadonlySet<string> = new Set(["clock", "hybrid", "enforceExpiry"]);

/** For permits of format 1 whose signers are many: the envelope's key id, which nobody signed, says where to look, and no more. */
export class DirectoryTokenVerifier {
  readonly #directory: KeyLookup;
  readonly #suite: Suite;
  readonly #clock: Clock;
  readonly #enforceExpiry: boolean;

  /** Throws CryptoError `OPTION_INVALID`. */
  constructor(directory: KeyLookup, options: DirectoryTokenVerifierOptions = {}) {
    const { clock = SYSTEM_CLOCK, hybrid = true, enforceExpiry = true } = optionsOf(options);
    const unknown = Object.keys(options).find((name) => !OPTIONS.has(name));
    if (unknown !== undefined) throw new CryptoError("OPTION_INVALID", `unknown option ${unknown}`);
    if (typeof directory?.fetch !== "function") throw new CryptoError("OPTION_INVALID", "give a directory");
    // `null` where a flag is meant would switch a defence off.
    if (typeof hybrid !== "boolean" || typeof enforceExpiry !== "boolean") {
      throw new CryptoError("OPTION_INVALID", "hybrid and enforceExpiry are true or false");
    }
    if (typeof directory?.fetch !== "function") throw new CryptoError("OPTION_INVALID", "give a directory");
    this.#directory = directory;
    this.#suite = hybrid ? HYBRID_SUITE : "ml-dsa-65";
    this.#clock = clock;
    this.#enforceExpiry = enforceExpiry;
  }

  /**
   * Rejects with TokenError, with the directory's DirectoryError when it does not have the key or has no bundle for it, and with CryptoError `CLAIMS_INVALID` when
   * the token is none.
   */
  async verify(token: PermitToken, signature: Uint8Array): Promise<void> {
    const message = signedBytesOf(token);
    const envelope = decodeEnvelope(signature);
    expectAlgorithm(envelope, this.#suite);
    const { keys, expiresAtMs } = usable(await this.#directory.fetch(envelope.keyId));
    if (this.#enforceExpiry && !(this.#clock.nowMs() < expiresAtMs)) {
      throw new TokenError("BundleExpired", "the key of the token has expired");
    }
    await verifyEnvelope(envelope, this.#suite, keys, message);
  }
}

/** A directory may be anybody's. Throws DirectoryError `Corrupt` for what is no bundle. */
function usable(bundle: PublicKeyBundle) {
  try {
    return { keys: verifyingKeysOf(bundle), expiresAtMs: expiresAtMsOf(bundle) };
  } catch (cause) {
    throw new DirectoryError("Corrupt", "the directory's bundle is damaged", { cause });
  }
}
