/** Errors of the conductor: bad calls, never refusals. */

export type GateErrorCode =
  /** `at_least` lies beyond the log's head. */
  | "REVISION_NOT_REACHED"
  /** An option of the gate is wrong. */
  | "OPTION_INVALID"
  /** There is no such session. */
  | "SESSION_NOT_FOUND";

export class GateError extends Error {
  override readonly name = "GateError";
  readonly code: GateErrorCode;

  constructor(code: GateErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
