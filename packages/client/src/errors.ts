/** What a call can end in besides a permit. Nothing here is ever "perhaps permitted". */
import type { status } from "@grpc/grpc-js";
import type { FieldViolation, RefuseCode } from "@kavach/model";
import type { InvalidateVerdict, RefuseVerdict } from "./verdict.ts";

/** Name of a gRPC status, such as `UNAVAILABLE`. */
export type RpcCode = Exclude<keyof typeof status, "OK">;

/** A remote procedure call failed: the status the other side, or the channel, gave it. */
export class RpcError extends Error {
  override readonly name = "RpcError";
  readonly code: RpcCode;
  /** From google.rpc.BadRequest in the status details. */
  readonly violations: readonly FieldViolation[];

  constructor(code: RpcCode, message: string, violations: readonly FieldViolation[], options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.violations = violations;
  }
}

export type GateUnavailableCode =
  | RpcCode
  /** The answer breaks the contract. */
  | "INVALID_RESPONSE"
  /** This client was closed. */
  | "CLOSED";

/** There is no verdict, so the action is not permitted. `cause` is for logs. */
export class GateUnavailable extends Error {
  override readonly name = "GateUnavailable";
  readonly code: GateUnavailableCode;

  constructor(code: GateUnavailableCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** The gate refused the action. */
export class Refused extends Error {
  override readonly name = "Refused";
  readonly verdict: RefuseVerdict;

  constructor(verdict: RefuseVerdict) {
    super(`[${verdict.code}] ${verdict.evaluator}: ${verdict.reason}`);
    this.verdict = verdict;
  }

  get code(): RefuseCode {
    return this.verdict.code;
  }
  get evaluator(): string {
    return this.verdict.evaluator;
  }
  get reason(): string {
    return this.verdict.reason;
  }
}

/** The gate refused the action and revoked what its scope names. */
export class Invalidated extends Error {
  override readonly name = "Invalidated";
  readonly verdict: InvalidateVerdict;

  constructor(verdict: InvalidateVerdict) {
    super(`${verdict.evaluator}: ${verdict.reason}`);
    this.verdict = verdict;
  }

  get evaluator(): string {
    return this.verdict.evaluator;
  }
  get reason(): string {
    return this.verdict.reason;
  }
}
