/** The real clock of this machine. Made once, in main, and handed down. */
import type { Clock } from "@kavach/model";

export const SYSTEM_CLOCK: Clock = Object.freeze({
  nowMs: () => performance.timeOrigin + performance.now(),
  monotonicMs: () => performance.now(),
});
