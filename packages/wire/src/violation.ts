/** One way to say that a message breaks a rule. */
import { InputError } from "@kavach/model";

/** Throws an `InputError` with one violation. */
export function refuseField(field: string, reason: string): never {
  throw new InputError([{ field, reason }]);
}

/** A path below another; the outermost message has the empty path. */
export function below(path: string, field: string): string {
  return path === "" ? field : `${path}.${field}`;
}
