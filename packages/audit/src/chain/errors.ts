/** Why a chain of format 1 does not verify. */

export type AuditChainErrorCode =
  /** A line is no entry. */
  | "ENTRY_UNREADABLE"
  /** The chain is of another mode than the caller demands. */
  | "MODE_MISMATCH"
  /** An entry is of another mode than the first one. */
  | "MODE_MIXED"
  /** An entry does not have the index of its place: something is missing, repeated, or in another order. */
  | "ORDER_BROKEN"
  /** An entry does not follow the one before it. */
  | "LINK_BROKEN"
  /** A signature does not verify under the given key. */
  | "SIGNATURE_INVALID"
  /** An entry's hash is not that of its content. */
  | "HASH_MISMATCH"
  /** What was asked for was pruned, or never there. */
  | "OUT_OF_RANGE"
  /** The file of a managed chain does not take entries, and no more may be kept in memory. */
  | "SINK_UNAVAILABLE"
  /** The managed chain was closed: nothing more is written. */
  | "CLOSED";

export class AuditChainError extends Error {
  override readonly name = "AuditChainError";
  readonly code: AuditChainErrorCode;
  /** Index of the entry that stands, or should stand, at this place of the chain; undefined where it is not about one. */
  readonly index: number | undefined;

  constructor(code: AuditChainErrorCode, message: string, index?: number, options?: ErrorOptions) {
    super(index === undefined ? message : `entry ${index}: ${message}`, options);
    this.code = code;
    this.index = index;
  }
}
