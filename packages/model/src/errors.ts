/** Errors that every room shares. A refusal is a value and never one of these. */

/** One broken rule of an input: where, and what is wrong. */
export interface FieldViolation {
  /** Path from the request, such as `context.principal.id`. */
  readonly field: string;
  readonly reason: string;
}

/** The caller's input breaks a rule. It is not a verdict and has touched no counter. */
export class InputError extends Error {
  override readonly name = "InputError";
  readonly violations: readonly FieldViolation[];

  constructor(violations: readonly FieldViolation[]) {
    super(violations.map((v) => `${v.field}: ${v.reason}`).join("; "));
    this.violations = violations;
  }
}

export type UnavailableCode = "STORE_UNAVAILABLE" | "LOG_UNAVAILABLE" | "DEADLINE_EXCEEDED";

/** A dependency did not answer in time or at all. What was asked may have happened. */
export class UnavailableError extends Error {
  override readonly name = "UnavailableError";
  readonly code: UnavailableCode;

  constructor(code: UnavailableCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** An invariant of the program itself is broken. */
export class Bug extends Error {
  override readonly name = "Bug";
}
