/** The parts of the outside world that are handed in: clocks and randomness. Made in a `main`, never here. */

export interface Clock {
  /** Wall time, Unix milliseconds; fractions allowed. */
  nowMs(): number;
  /** Monotonic milliseconds from an arbitrary start. */
  monotonicMs(): number;
}

/** Returns `size` unpredictable bytes. */
export type RandomBytes = (size: number) => Uint8Array<ArrayBuffer>;
