/** An option that nobody reads may be a defence that somebody believes in. */
import { CryptoError } from "./errors.ts";

/**
 * The options themselves. What is no object, such as a flag or a number in their place, would otherwise read as no options at all. Throws
 * CryptoError `OPTION_INVALID`.
 */
export function optionsOf<T extends object>(options: T): T {
  if (typeof options === "object" && options !== null && !Array.isArray(options)) return options;
  throw new CryptoError("OPTION_INVALID", "options are an object");
}

/** `rest`: what is left of the options when all that are known were taken. Throws CryptoError `OPTION_INVALID`. */
export function expectNoOther(rest: object): void {
  const name = Object.keys(rest)[0];
  if (name !== undefined) throw new CryptoError("OPTION_INVALID", `unknown option ${name}`);
}
