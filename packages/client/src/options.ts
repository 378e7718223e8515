/** Options that nobody reads are refused: an ignored option is a silent downgrade. */
import { InputError } from "@kavach/model";

/** Throws `InputError` naming every key of `options` that is not in `known`. */
export function refuseUnknownKeys(options: object, known: readonly string[]): void {
  const unknown = Object.keys(options).filter((key) => !known.includes(key));
  if (unknown.length > 0) throw new InputError(unknown.map((field) => ({ field, reason: "is not a known option" })));
}
