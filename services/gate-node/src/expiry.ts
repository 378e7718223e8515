/** Says in good time that the manifest or the permit key will end: from then on the node refuses. */
import type { Clock } from "@kavach/model";
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
