/** RFC 3339 instants, kept as text because formats of the past carry nanoseconds. */
import { CryptoError } from "./errors.ts";

/** RFC 3339, section 5.6, with its note: a blank may stand for the T. */
const FORM = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/i;

/** The last millisecond that a year of four digits can name. */
export const INSTANT_MS_MAX: number = Date.UTC(9999, 11, 31, 23, 59, 59, 999);

/** Unix milliseconds, rounded down. Throws CryptoError `KEY_CORRUPT` when the text is no instant. */
export function instantMs(text: string): number {
  const [, day, time, fraction = ".0", zone = ""] = FORM.exec(text) ?? [];
  const local = `${day}T${time}`;
  const wholeMs = Date.parse(local + zone.toUpperCase());
  // Date.parse lets 31 February pass as 3 March.
  if (Number.isNaN(wholeMs) || new Date(Date.parse(`${local}Z`)).toISOString().slice(0, 19) !== local) {
    throw new CryptoError("KEY_CORRUPT", "not an RFC 3339 instant");
  }
  return wholeMs + Number(fraction.slice(1, 4).padEnd(3, "0"));
}

/** `ms`: Unix milliseconds, whole, at most `INSTANT_MS_MAX` and not before the year 0. Whole seconds have no fraction, as the Python package writes them. */
export function instantText(ms: number): string {
  return new Date(ms).toISOString().replace(".000Z", "Z");
}

/**
 * The same instant in UTC as existing signers spell it in signed bytes: `+00:00` for the zone, and 0, 3, 6 or 9 fraction digits, the
 * fewest that keep the value. Throws CryptoError `KEY_CORRUPT` when the text is no instant.
 */
export function signedInstantText(text: string): string {
  const fraction = FORM.exec(text)?.[3]?.slice(1).padEnd(9, "0") ?? "";
  const whole = new Date(Math.floor(instantMs(text) / 1000) * 1000).toISOString().slice(0, 19);
  const kept = fraction.replace(/(000)+$/, "");
  return `${whole}${kept === "" ? "" : `.${kept}`}+00:00`;
}
