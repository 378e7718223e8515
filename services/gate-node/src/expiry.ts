/** Says in good time that the manifest or the permit key will end: from then on the node refuses. Shows at any time what is in force. */
import type { Clock } from "@kavach/model";
import type { Gauge } from "@kavach/service";
import type { Keys } from "./keys.ts";

/** Long enough before the end that somebody can fetch the root, milliseconds. */
const AHEAD_MS = 7 * 86_400_000;
const LOOK_MS = 60_000;

export interface Ending {
  readonly what: "manifest" | "permit key";
  /** RFC 3339. */
  readonly at: string;
}

type Ends = Pick<Keys, "manifestExpiresAtMs" | "signer">;

/** Each end is said once; a new manifest or key has one of its own. */
export function endingsOf(keys: Ends, clock: Clock, say: (ending: Ending) => void): () => void {
  const said = new Map<Ending["what"], number>();
  const look = (what: Ending["what"], endMs: number) => {
    if (said.get(what) === endMs || !(endMs - clock.nowMs() < AHEAD_MS)) return;
    said.set(what, endMs);
    say({ what, at: new Date(endMs).toISOString() });
  };
  return () => {
    look("manifest", keys.manifestExpiresAtMs);
    look("permit key", keys.signer.keyExpiresAtMs);
  };
}

export function watchEndings(keys: Ends, clock: Clock, say: (ending: Ending) => void): { close(): void } {
  const look = endingsOf(keys, clock, say);
  look();
  const timer = setInterval(look, LOOK_MS).unref();
  return { close: () => clearInterval(timer) };
}

/** For alerts, and for whoever waits during a rotation until every node is as far. */
export function keyGauges(keys: Ends & Pick<Keys, "manifestVersion">): Gauge[] {
  return [
    {
      name: "kavach_manifest_version",
      description: "Version of the manifest in force",
      read: () => keys.manifestVersion,
    },
    {
      name: "kavach_manifest_expiry_seconds",
      description: "When the manifest in force lapses, Unix seconds",
      read: () => keys.manifestExpiresAtMs / 1000,
    },
    {
      name: "kavach_permit_key_expiry_seconds",
      description: "When the key that signs permits expires, Unix seconds; none where it never does",
      read: () => (Number.isFinite(keys.signer.keyExpiresAtMs) ? keys.signer.keyExpiresAtMs / 1000 : undefined),
    },
  ];
}
