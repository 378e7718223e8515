/** Options that nobody reads are refused: an ignored option is a silent downgrade. */
import { type FieldViolation, InputError } from "@kavach/model";

/** Every key of `options` that is not in `known`, and what is no object at all. */
export function unknownKeys(options: unknown, known: readonly string[]): FieldViolation[] {
  if (options === null || typeof options !== "object" || Array.isArray(options)) {
    return [{ field: "options", reason: "must be an object" }];
  }
  return Object.keys(options)
    .filter((key) => !known.includes(key))
    .map((field) => ({ field, reason: "is not a known option" }));
}

export function refuseUnknownKeys(options: unknown, known: readonly string[]): void {
  const violations = unknownKeys(options, known);
  if (violations.length > 0) throw new InputError(violations);
}
