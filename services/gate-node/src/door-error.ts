/** Turns this service's errors into what callers may see. The one place where codes are chosen. */
import { Code, ConnectError, type HandlerContext } from "@connectrpc/connect";
import { GateError } from "@kavach/gate";
import { InputError } from "@kavach/model";
import { publicError } from "@kavach/serve";

const CODES = {
  REVISION_NOT_REACHED: Code.FailedPrecondition,
  SESSION_NOT_FOUND: Code.NotFound,
  CLOCK_INVALID: Code.Internal,
  CLOSED: Code.Unavailable,
  // Of guarded functions, which a node has none of.
  CALLER_MISSING: Code.Internal,
  ACTION_CHANGED: Code.Internal,
  PERMIT_EXPIRED: Code.Internal,
  PERMIT_INVALID: Code.Internal,
  ALREADY_EXECUTED: Code.Internal,
} as const;

export function doorError(error: unknown): ConnectError {
  if (error instanceof GateError)
    return new ConnectError(error.message, CODES[error.code], undefined, undefined, error);
  return publicError(error);
}

/** A handler whose errors leave as what callers may see. */
export function atDoor<I, O>(
  handle: (request: I, context: HandlerContext) => Promise<O>,
): (request: I, context: HandlerContext) => Promise<O> {
  return async (request, context) => {
    try {
      return await handle(request, context);
    } catch (error) {
      throw doorError(error);
    }
  };
}

/** Rules of the schema have made sure of it; a message that was never validated must not pass as an empty one. */
export function required<T>(value: T | undefined, field: string): T {
  if (value === undefined) throw new InputError([{ field, reason: "value is required" }]);
  return value;
}
