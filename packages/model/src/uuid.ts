/** UUIDs (RFC 9562) between text and bytes. */
import { Bug } from "./errors.ts";

/** Values of the hexadecimal digits by character code; everything else is 255. */
const DIGITS = new Uint8Array(128).fill(255);
for (const [value, digits] of [
  "0",
  "1",
  "2",
  "3",
  "4",
  "5",
  "6",
  "7",
  "8",
  "9",
  "aA",
  "bB",
  "cC",
  "dD",
  "eE",
  "fF",
].entries()) {
  for (const digit of digits) DIGITS[digit.charCodeAt(0)] = value;
}

/** Where the first digits of the bytes stand in the text. */
const PLACES = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34] as const;
const HYPHENS = [8, 13, 18, 23] as const;

/** The 16 bytes of a UUID's text form, in either case. Throws `Bug` for anything else: callers have validated. */
export function uuidToBytes(text: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(16);
  let wrong = text.length === 36 ? 0 : 1;
  for (const at of HYPHENS) if (text[at] !== "-") wrong = 1;
  for (let i = 0; i < 16; i++) {
    const at = PLACES[i] as number;
    const high = DIGITS[text.charCodeAt(at)] ?? 255;
    const low = DIGITS[text.charCodeAt(at + 1)] ?? 255;
    // A digit that is none sets the upper half of a byte.
    wrong |= (high | low) & 0xf0;
    bytes[i] = (high << 4) | low;
  }
  if (wrong !== 0) throw new Bug("not a UUID");
  return bytes;
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** Lower-case text form of 16 bytes. */
export function uuidFromBytes(bytes: Uint8Array): string {
  if (bytes.length !== 16) throw new Bug("a UUID has 16 bytes");
  let text = "";
  for (let i = 0; i < 16; i++) {
    if (i === 4 || i === 6 || i === 8 || i === 10) text += "-";
    text += HEX[bytes[i] as number];
  }
  return text;
}

/** A random UUID (version 4) from 16 unpredictable bytes. */
export function uuidFromRandom(random: Uint8Array): string {
  const bytes = random.slice(0, 16);
  bytes[6] = ((bytes[6] as number) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80;
  return uuidFromBytes(bytes);
}
