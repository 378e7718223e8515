/** Errors of this room: bad calls, never refusals. */

export type GateErrorCode =
  /** `at_least` lies beyond the log's head. */
  | "REVISION_NOT_REACHED"
  /** There is no such session. */
  | "SESSION_NOT_FOUND"
  /** The clock that was handed in does not return a number. */
  | "CLOCK_INVALID"
  /** Nobody said who calls a guarded function: no `Caller` leads its arguments, and it runs inside no `withCaller`. */
  | "CALLER_MISSING"
  /** What is about to run is not what was permitted. */
  | "ACTION_CHANGED"
  /** The permit's time was over before what it permits began. */
  | "PERMIT_EXPIRED"
  /** Whoever was asked to verify the permit does not accept it. */
  | "PERMIT_INVALID"
  /** What was permitted has been begun before. */
  | "ALREADY_EXECUTED"
  /** The gate was closed. */
  | "CLOSED";

export class GateError extends Error {
  override readonly name = "GateError";
  readonly code: GateErrorCode;

  constructor(code: GateErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
