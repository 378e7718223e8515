/** How a token of format 1 is written: one JSON object, ids, times and action, with its envelope as a list of byte values. */

const BRACE = 0x7b;
const MEMBERS: readonly string[] = ["token_id", "evaluation_id", "issued_at", "expires_at", "action_name", "signature"];

/** The envelope inside a token of format 1; undefined for what is none. Who signed it, if anybody, is not asked. */
export function formatOneSignature(token: Uint8Array): Uint8Array<ArrayBuffer> | undefined {
  // No token of format 2 begins so, and most are told apart without being read.
  if (token[0] !== BRACE) return undefined;
  try {
    const fields: Record<string, unknown> = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(token));
    const names = Object.keys(fields);
    if (names.length !== MEMBERS.length || !MEMBERS.every((name) => names.includes(name))) return undefined;
    const { signature } = fields;
    return Array.isArray(signature) && signature.every(isByte) ? Uint8Array.from(signature) : undefined;
  } catch {
    return undefined;
  }
}

function isByte(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 255;
}
