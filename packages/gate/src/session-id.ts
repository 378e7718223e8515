/** Issued session ids: 128 random bits and a tag of their principal, so that someone else's id is told apart without a look-up. */
import { sha256 } from "@kavach/crypto";

const encoder = new TextEncoder();
const hexOf = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

/** `random`: 16 unpredictable bytes. */
export function issueSessionId(random: Uint8Array, realm: string, principalId: string): string {
  return `${hexOf(random)}.${tagOf(realm, principalId)}`;
}

/** Whose an id is by its form: `foreign` where it was issued to another principal, `unknown` where no gate issued it. */
export function ownerOf(sessionId: string, realm: string, principalId: string): "own" | "foreign" | "unknown" {
  const tag = /^[0-9a-f]{32}\.([0-9a-f]{16})$/.exec(sessionId)?.[1];
  if (tag === undefined) return "unknown";
  return tag === tagOf(realm, principalId) ? "own" : "foreign";
}

function tagOf(realm: string, principalId: string): string {
  return hexOf(sha256(encoder.encode(JSON.stringify(["kavach-session-owner-v1", realm, principalId])))).slice(0, 16);
}
