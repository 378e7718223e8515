/** Signs and verifies checkpoints of audit logs, and nothing else, for the room that keeps the logs. */
import { DOMAINS, type Suite } from "./algorithms.ts";
import type { KavachKeyPair } from "./keys/key-pair.ts";
import type { PublicKeyBundle } from "./keys/public-key-bundle.ts";
import { type SuiteSignature, signWithSuite, verifyWithSuite } from "./suite-signature.ts";

export type AuditSignature = SuiteSignature;

/** Off the calling thread. Rejects with CryptoError `KEY_DISPOSED`, or whatever the provider says. */
export async function signAuditCheckpoint(
  suite: Suite,
  keyPair: KavachKeyPair,
  text: Uint8Array,
): Promise<AuditSignature> {
  return await signWithSuite(suite, DOMAINS.auditCheckpoint, keyPair, text);
}

/** True only when every signature of the suite is there and verifies, and no other is there. */
export async function verifyAuditCheckpoint(
  suite: Suite,
  bundle: PublicKeyBundle,
  text: Uint8Array,
  signature: AuditSignature,
): Promise<boolean> {
  return await verifyWithSuite(suite, DOMAINS.auditCheckpoint, bundle, text, signature);
}
