/** What a call can end in besides a verdict. Nothing here is ever "perhaps permitted". */
import type { status } from "@grpc/grpc-js";
import type { FieldViolation } from "@kavach/model";

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
