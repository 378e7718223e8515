/** The errors of this room. Both code sets are closed; `cause` is for logs and never for callers. */

export type CryptoErrorCode =
  /** Bytes, lengths or text of a key are not what they should be. */
  | "KEY_CORRUPT"
  /** The key file is encrypted, and no passphrase was given. */
  | "PASSPHRASE_NEEDED"
  /** The passphrase is another, or the encrypted file was changed. */
  | "PASSPHRASE_WRONG"
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

/** Why a message of a channel is refused. */
export type ChannelErrorCode =
  /** The bytes are no message of this channel's format. */
  | "MALFORMED"
  /** It was sealed for somebody else. */
  | "WRONG_RECIPIENT"
  /** It says that it comes from somebody else. */
  | "WRONG_SENDER"
  /** It was made for another context than the one that is expected. */
  | "WRONG_CONTEXT"
  /** Something in it was changed after it was sealed. */
  | "TAMPERED"
  /** It was not signed by the sender who is expected. */
  | "SIGNATURE_INVALID"
  /** It carries no signature where one is expected, or one where none is. */
  | "UNSIGNED"
  | "SIGNED"
  /** It is signed in another suite, such as ML-DSA-65 alone where both signatures are expected. */
  | "SUITE_MISMATCH"
  /** It was received before. */
  | "REPLAYED"
  /** It is older than the window. */
  | "TOO_OLD"
  /** It was sent later than now. */
  | "NOT_YET_SENT"
  /** More messages arrived within the window than can be remembered; nothing more is taken before some grow old. */
  | "REPLAY_MEMORY_FULL"
  /** A key of one side has expired. */
  | "KEY_EXPIRED";

export class ChannelError extends Error {
  override readonly name = "ChannelError";
  readonly code: ChannelErrorCode;

  constructor(code: ChannelErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
