/** The errors of this room. */

export type AuditErrorCode =
  /** The sink was closed. */
  | "SINK_CLOSED"
  /** More records wait than the sink will hold. */
  | "SINK_FULL"
  /** The record is not durable; part of it may have reached the file and is cut off before the next write. */
  | "WRITE_FAILED"
  /** The key that signs checkpoints has expired: what is written could not be proven. */
  | "KEY_EXPIRED"
  /** Another process writes this log. */
  | "LOG_IN_USE"
  /** The platform or the file system cannot keep a second process away, so that this one does not write either. */
  | "LOCK_UNAVAILABLE"
  /** The disk failed, or somebody else changed or removed the log's files: nothing more is written until the log is opened anew. */
  | "LOG_STOPPED"
  /** The record is longer than an entry may be. */
  | "ENTRY_TOO_LONG"
  /** The list of origins did not take the log's first checkpoint. */
  | "REGISTRY_UNAVAILABLE"
  /** An option is unknown or out of range. */
  | "OPTION_INVALID";

export class AuditError extends Error {
  override readonly name = "AuditError";
  readonly code: AuditErrorCode;

  constructor(code: AuditErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** Why a log does not verify. */
export type AuditLogErrorCode =
  /** A checkpoint's text is none. */
  | "CHECKPOINT_MALFORMED"
  /** A checkpoint was signed by no key that is trusted, or in another suite. */
  | "CHECKPOINT_UNTRUSTED"
  /** A checkpoint or a file belongs to another log. */
  | "ORIGIN_MISMATCH"
  /** A signed checkpoint contradicts another signed one: the log was continued in two ways. */
  | "FORKED"
  /** There are fewer entries than a checkpoint proves. */
  | "TRUNCATED"
  /** The entries are not those that a checkpoint proves: something before it was edited, exchanged, inserted or left out. */
  | "ALTERED"
  /** An entry is missing before this one. */
  | "ENTRY_MISSING"
  /** A number is there twice: an entry was repeated, or another put beside it. */
  | "ENTRY_REPEATED"
  /** An entry stands behind later ones: the order was changed. */
  | "ENTRY_MISPLACED"
  /** A line is no entry. */
  | "ENTRY_UNREADABLE"
  /** A file of the log is missing, or begins otherwise than the one before it ended. */
  | "SEGMENT_BROKEN"
  /** The list of origins names a log that is not there. */
  | "LOG_MISSING";

export class AuditLogError extends Error {
  override readonly name = "AuditLogError";
  readonly code: AuditLogErrorCode;
  /** Index of the entry, from 0; undefined where it is not about one. */
  readonly index: number | undefined;

  constructor(code: AuditLogErrorCode, message: string, index?: number) {
    super(index === undefined ? message : `entry ${index}: ${message}`);
    this.code = code;
    this.index = index;
  }
}
