/** The door through which errors leave the process: turns any thrown value into a Connect error with public text. */
import { Code, ConnectError } from "@connectrpc/connect";
import { googleRpc } from "@kavach/api";
import { type FieldViolation, InputError, UnavailableError } from "@kavach/model";

/** Violations beyond this many are not listed, and texts are cut: trailers must stay below the 8 KiB that clients accept. */
const VIOLATIONS_MAX = 16;

const UNAVAILABLE_TEXT = {
  STORE_UNAVAILABLE: "the store is unavailable",
  LOG_UNAVAILABLE: "the revocation log is unavailable",
} as const;

/**
 * InputError becomes INVALID_ARGUMENT with google.rpc.BadRequest, UnavailableError becomes UNAVAILABLE or
 * DEADLINE_EXCEEDED, a ConnectError passes as it is. Everything else is INTERNAL and keeps its text as `cause` only.
 */
export function publicError(error: unknown): ConnectError {
  if (error instanceof ConnectError) return error;
  if (error instanceof InputError) return badRequest(error.violations, error);
  if (error instanceof UnavailableError) {
    if (error.code === "DEADLINE_EXCEEDED") return deadlineExceeded(error);
    return new ConnectError(UNAVAILABLE_TEXT[error.code], Code.Unavailable, undefined, undefined, error);
  }
  return new ConnectError("internal error", Code.Internal, undefined, undefined, error);
}

/** The text of Connect's own deadline error, so that both paths say the same. */
export function deadlineExceeded(cause?: unknown): ConnectError {
  return new ConnectError("the operation timed out", Code.DeadlineExceeded, undefined, undefined, cause);
}

function badRequest(violations: readonly FieldViolation[], cause: InputError): ConnectError {
  const listed = violations.slice(0, VIOLATIONS_MAX).map(({ field, reason }) => ({
    field: clipped(field),
    description: clipped(reason),
  }));
  const more = violations.length > VIOLATIONS_MAX ? `; and ${violations.length - VIOLATIONS_MAX} more` : "";
  const text = listed.map(({ field, description }) => `${field}: ${description}`).join("; ");
  const detail = { desc: googleRpc.BadRequestSchema, value: { fieldViolations: listed } };
  return new ConnectError(clipped(text, 512) + more, Code.InvalidArgument, undefined, [detail], cause);
}

/** Field paths can carry a caller's own map keys, so their length is the caller's. */
function clipped(text: string, length = 128): string {
  return text.length <= length ? text.toWellFormed() : `${text.slice(0, length).toWellFormed()}…`;
}
