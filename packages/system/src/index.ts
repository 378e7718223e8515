/** The world as it is: this machine's clock and randomness. For a `main`, and for the defaults of what a user constructs; nothing else imports it. */
import type { Clock, RandomBytes } from "@kavach/model";

/** Wall time follows the system's clock, steps included; monotonic time does not. */
export const SYSTEM_CLOCK: Clock = Object.freeze({
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
});

/** From the operating system. At most 65,536 bytes a call. */
export const SYSTEM_RANDOM: RandomBytes = (size) => crypto.getRandomValues(new Uint8Array(size));

/** A random UUID (version 4), drawn from a pool that the runtime fills from the operating system. */
export const drawUuid = (): string => crypto.randomUUID();

export { within } from "./within.ts";
