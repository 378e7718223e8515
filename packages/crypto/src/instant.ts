/** RFC 3339 instants, kept as text because formats of the past carry nanoseconds. */
import { CryptoError } from "./errors.ts";

const FORM = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/;

/** Unix milliseconds, rounded down. Throws CryptoError `KEY_CORRUPT` when the text is no instant. */
export function instantMs(text: string): number {
  const form = FORM.exec(text);
  const wholeMs = form === null ? Number.NaN : Date.parse(`${form[1]}${form[3]}`);
  // Date.parse lets 31 February pass as 3 March.
  const local = form === null ? Number.NaN : Date.parse(`${form[1]}Z`);
  if (Number.isNaN(wholeMs) || Number.isNaN(local) || new Date(local).toISOString().slice(0, 19) !== form?.[1]) {
    throw new CryptoError("KEY_CORRUPT", "not an RFC 3339 instant");
  }
  return wholeMs + Math.trunc(Number((form[2] ?? ".0").padEnd(4, "0").slice(1, 4)));
}

/** `ms`: Unix milliseconds, whole, within the years 0 to 9999. */
export function instantText(ms: number): string {
  return new Date(ms).toISOString();
}
