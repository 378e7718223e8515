/** An option that nobody reads may be a defence that somebody believes in. */
import { CryptoError } from "./errors.ts";

/** `rest`: what is left of the options when all that are known were taken. Throws CryptoError `OPTION_INVALID`. */
export function expectNoOther(rest: object): void {
  const name = Object.keys(rest)[0];
  if (name !== undefined) throw new CryptoError("OPTION_INVALID", `unknown option ${name}`);
}
