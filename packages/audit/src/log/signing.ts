/** Signs what a log is now. */
import type { MerkleFrontier } from "@kavach/crypto";
import { AuditError } from "../errors.ts";
import { signCheckpoint } from "./checkpoint.ts";
import type { Settings } from "./settings.ts";

/** Throws AuditError `KEY_EXPIRED`: what is written from then on could not be proven. */
export function expectLiveKey({ keyPair, clock }: Settings): void {
  if (keyPair.isExpiredAt(clock.nowMs())) throw new AuditError("KEY_EXPIRED", "the audit key has expired");
}

/** Size and root are read at once: appending goes on while the signature is made. Rejects with AuditError `KEY_EXPIRED`, and as signing does. */
export async function signFrontier(
  settings: Settings,
  origin: string,
  frontier: MerkleFrontier,
): Promise<Uint8Array<ArrayBuffer>> {
  const { suite, keyPair, clock } = settings;
  expectLiveKey(settings);
  const [size, root, atMs] = [frontier.size, frontier.root(), Math.floor(clock.nowMs())];
  return await signCheckpoint({ origin, size, root, atMs, suite }, keyPair);
}
