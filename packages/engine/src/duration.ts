/** Durations as policies spell them: digits, with one of `s` `m` `h` `d` or none (seconds). */

const UNIT_SECONDS: Readonly<Record<string, number>> = { "": 1, s: 1, m: 60, h: 3600, d: 86_400 };

/** Beyond this a duration in milliseconds would lose whole numbers. */
const SECONDS_MAX = Math.floor(Number.MAX_SAFE_INTEGER / 1000);

/** Whole seconds, at least one; or what is wrong with the text. Blanks around it are trimmed; there are no compounds and no signs. */
export function parseDuration(text: string): { readonly seconds: number } | { readonly fault: string } {
  const match = /^([0-9]+)([smhd]?)$/.exec(text.trim());
  if (match === null) return { fault: `malformed duration '${text}': digits with s, m, h, d or nothing (seconds)` };
  const seconds = Number(match[1]) * (UNIT_SECONDS[match[2] ?? ""] ?? Number.NaN);
  if (seconds === 0) return { fault: "a duration of zero" };
  if (!(seconds <= SECONDS_MAX)) return { fault: `duration '${text}' is too long` };
  return { seconds };
}
