/** Remembers which messages were received, for as long as they could be received again. It never forgets one early. */
import { ChannelError, CryptoError } from "../errors.ts";
import { optionsOf } from "../no-other-option.ts";

export interface ReplayMemoryOptions {
  /** How old a message may be, milliseconds, 1000 to 30 days. Default 5 minutes. */
  readonly windowMs?: number;
  /** How far ahead the sender's clock may be, milliseconds, 0 to 60,000. Default 2000. */
  readonly skewMs?: number;
  /** Most messages remembered, 1 to 10,000,000. Default 100,000, some 10 MB. When full, messages are refused, not forgotten. */
  readonly messagesMax?: number;
}

const OPTIONS: ReadonlySet<string> = new Set(["windowMs", "skewMs", "messagesMax"]);
/** Messages are forgotten in slices of this many milliseconds. */
const SLICE_MS = 1000;

/**
 * Of one receiver. What is older than the window is refused without being remembered, so memory is bounded and never emptied at once. It ends with
 * its process: one that starts again can be given what was sent within the last window a second time.
 */
export class ReplayMemory {
  readonly #windowMs: number;
  readonly #skewMs: number;
  readonly #messagesMax: number;
  /** Message ids by the slice of time they were sent in, and the number of all of them. */
  readonly #slices = new Map<number, Set<string>>();
  #size: number = 0;
  /** Number of the oldest slice that may be kept. */
  #oldestSlice: number = Number.NEGATIVE_INFINITY;
  /** Latest time ever seen: a clock that is set back must not bring forgotten messages into the window again. */
  #latestMs: number = Number.NEGATIVE_INFINITY;

  /** Throws CryptoError `OPTION_INVALID`. */
  constructor(options: ReplayMemoryOptions = {}) {
    const { windowMs = 300_000, skewMs = 2000, messagesMax = 100_000 } = optionsOf(options);
    const unknown = Object.keys(options).find((name) => !OPTIONS.has(name));
    if (unknown !== undefined) throw new CryptoError("OPTION_INVALID", `unknown option ${unknown}`);
    expectWhole("windowMs", windowMs, 1000, 30 * 86_400_000);
    expectWhole("skewMs", skewMs, 0, 60_000);
    expectWhole("messagesMax", messagesMax, 1, 10_000_000);
    this.#windowMs = windowMs;
    this.#skewMs = skewMs;
    this.#messagesMax = messagesMax;
  }

  /** Messages that are remembered now. */
  get size(): number {
    return this.#size;
  }

  /**
   * Takes a message once. Times in Unix milliseconds. Throws ChannelError `TOO_OLD`, `NOT_YET_SENT`, `REPLAYED` or
   * `REPLAY_MEMORY_FULL`.
   */
  take(messageId: string, sentAtMs: number, nowMs: number): void {
    this.#latestMs = Math.max(this.#latestMs, nowMs);
    const oldestMs = this.#latestMs - this.#windowMs;
    this.#forgetBefore(oldestMs);
    // Written so that a time that is no number is refused.
    if (!(sentAtMs > oldestMs)) throw new ChannelError("TOO_OLD", "the message is older than the window");
    if (!(sentAtMs <= nowMs + this.#skewMs))
      throw new ChannelError("NOT_YET_SENT", "the message was sent later than now");
    const slice = Math.floor(sentAtMs / SLICE_MS);
    const seen = this.#slices.get(slice) ?? new Set();
    if (seen.has(messageId)) throw new ChannelError("REPLAYED", "the message was received before");
    if (this.#size >= this.#messagesMax) {
      throw new ChannelError("REPLAY_MEMORY_FULL", "too many messages within the window");
    }
    seen.add(messageId);
    this.#slices.set(slice, seen);
    this.#size++;
  }

  /** Slices that lie before the window altogether. Those that became so are looked up: a long window has millions of others. */
  #forgetBefore(oldestMs: number): void {
    const oldest = Math.floor(oldestMs / SLICE_MS);
    const passed = oldest - this.#oldestSlice;
    if (!(passed > 0)) return;
    const candidates =
      passed < this.#slices.size
        ? Array.from({ length: passed }, (_, i) => this.#oldestSlice + i)
        : [...this.#slices.keys()].filter((slice) => slice < oldest);
    for (const slice of candidates) {
      this.#size -= this.#slices.get(slice)?.size ?? 0;
      this.#slices.delete(slice);
    }
    this.#oldestSlice = oldest;
  }
}

function expectWhole(name: string, value: number, min: number, max: number): void {
  if (Number.isSafeInteger(value) && value >= min && value <= max) return;
  throw new CryptoError("OPTION_INVALID", `${name} is a whole number from ${min} to ${max}`);
}
