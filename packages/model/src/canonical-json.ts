/** The one JSON text of a value (RFC 8785), for digests and signatures. */
import canonicalize from "canonicalize";
import { Bug } from "./errors.ts";

/**
 * Keys sorted by UTF-16 code units, numbers as ECMAScript prints them, no blanks. Throws `Bug` for what JSON cannot say:
 * undefined, functions, numbers that are not finite, lone surrogates, circles.
 */
export function canonicalJson(value: unknown): string {
  let text: string | undefined;
  try {
    text = canonicalize(value);
  } catch (cause) {
    throw new Bug("value has no canonical JSON", { cause });
  }
  if (text === undefined) throw new Bug("value has no canonical JSON");
  return text;
}
