/** The errors of this room. */

export type AuditErrorCode =
  /** The sink was closed. */
  | "SINK_CLOSED"
  /** More records wait than the sink will hold. */
  | "SINK_FULL"
  /** The record is not durable; part of it may have reached the file and is cut off before the next write. */
  | "WRITE_FAILED";

export class AuditError extends Error {
  override readonly name = "AuditError";
  readonly code: AuditErrorCode;

  constructor(code: AuditErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
