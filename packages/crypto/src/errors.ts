/** The errors of this room. Both code sets are closed; `cause` is for logs and never for callers. */

export type CryptoErrorCode =
  /** Bytes, lengths or text of a key are not what they should be. */
  | "KEY_CORRUPT"
  /** The key has expired: it signs nothing any more. */
  | "KEY_EXPIRED"
  /** The permit would outlive the key that signs it. */
  | "KEY_EXPIRES_FIRST"
  /** The key pair was disposed of; its secrets are gone. */
  | "KEY_DISPOSED"
  /** The signer was made without a secret; it only verifies. */
  | "NO_SIGNING_KEY"
  /** What should be signed breaks a rule of its format. */
  | "CLAIMS_INVALID"
  /** A verifier was asked without saying who is about to do what. */
  | "EXPECTATION_INVALID"
  /** An option is unknown or out of range. */
  | "OPTION_INVALID"
  /** The signer was closed. */
  | "SIGNER_CLOSED"
  /** The provider could not sign. */
  | "SIGNING_FAILED";

export class CryptoError extends Error {
  override readonly name = "CryptoError";
  readonly code: CryptoErrorCode;

  constructor(code: CryptoErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/**
 * `NotFound`: no such key. `BackendUnavailable`: the source did not answer. `RootSignatureInvalid`: the root does not vouch
 * for this manifest now (bad signature, wrong suite, lapsed, rolled back). `Corrupt`: the bytes are no directory.
 */
export type DirectoryErrorCode = "NotFound" | "BackendUnavailable" | "RootSignatureInvalid" | "Corrupt";

export class DirectoryError extends Error {
  override readonly name = "DirectoryError";
  readonly code: DirectoryErrorCode;

  constructor(code: DirectoryErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** Why a permit of format 1 does not verify; besides these, the directory's own errors. */
export type TokenErrorCode = "EnvelopeParse" | "AlgorithmMismatch" | "SignatureInvalid" | "BundleExpired";

export class TokenError extends Error {
  override readonly name = "TokenError";
  readonly code: TokenErrorCode;

  constructor(code: TokenErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
