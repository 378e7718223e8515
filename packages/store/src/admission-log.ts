/**
 * The memory twin of one log of admissions: exact for small limits, counted in buckets for large ones. All instants are whole
 * microseconds; the caller hands in a `now` that is never before the newest entry.
 */
import { STORE_BOUNDS } from "./bounds.ts";

/** One window of a large limit: how many entries fell into each part of it. */
class BucketWindow {
  readonly windowUs: number;
  readonly widthUs: number;
  /** The oldest bucket that still reaches into the window. */
  lowest = 0;
  total = 0;
  readonly counts = new Map<number, number>();

  constructor(windowUs: number) {
    this.windowUs = windowUs;
    this.widthUs = Math.ceil(windowUs / STORE_BOUNDS.windowBuckets);
  }

  /** Drops what no longer reaches into (now - window, now]. */
  roll(nowUs: number): void {
    this.lowest = Math.max(this.lowest, Math.floor((nowUs - this.windowUs + 1) / this.widthUs));
    for (const [bucket, count] of this.counts) {
      if (bucket >= this.lowest) continue;
      this.counts.delete(bucket);
      this.total -= count;
    }
  }

  add(atUs: number, count: number): void {
    const bucket = Math.floor(atUs / this.widthUs);
    if (bucket < this.lowest) return;
    this.counts.set(bucket, (this.counts.get(bucket) ?? 0) + count);
    this.total += count;
  }

  /** When enough buckets have left the window for at most `left` entries to be in it. */
  freeAtUs(left: number): number {
    let total = this.total;
    let freeAtUs = 0;
    for (const bucket of [...this.counts.keys()].sort((a, b) => a - b)) {
      if (total <= left) break;
      total -= this.counts.get(bucket) ?? 0;
      freeAtUs = (bucket + 1) * this.widthUs + this.windowUs - 1;
    }
    return freeAtUs;
  }
}

export class AdmissionLog {
  /** The newest entries, oldest first. */
  readonly #entriesUs: number[] = [];
  /** Shortest window first. */
  #windows: BucketWindow[] = [];
  #retainUs = 0;

  get newestUs(): number {
    return this.#entriesUs.at(-1) ?? 0;
  }

  get retainUs(): number {
    return this.#retainUs;
  }

  /** Keeps the log for `retainUs` at least, and counts the windows of large limits from here on. */
  prepare(retainUs: number, largeWindowsUs: readonly number[], nowUs: number): void {
    this.#retainUs = Math.max(this.#retainUs, retainUs);
    for (const window of this.#windows) window.roll(nowUs);
    for (const windowUs of largeWindowsUs) {
      if (!this.#windows.some((window) => window.windowUs === windowUs)) this.#register(windowUs, nowUs);
    }
  }

  /**
   * Undefined where one more entry keeps within `max` in the window; else the instant at which a place is free, where `counted` says
   * that the call itself takes one all the same.
   */
  fullUntilUs(max: number, windowUs: number, counted: boolean, nowUs: number): number | undefined {
    const own = counted ? 1 : 0;
    if (max > STORE_BOUNDS.logEntriesMax) {
      const window = this.#windows.find((known) => known.windowUs === windowUs);
      if (window === undefined || window.total < max) return undefined;
      return window.freeAtUs(max - 1 - own);
    }
    const first = this.#entriesUs.at(-max);
    if (first === undefined || first <= nowUs - windowUs) return undefined;
    const leaving = max === own ? nowUs : (this.#entriesUs.at(own - max) as number);
    return leaving + windowUs;
  }

  append(nowUs: number): void {
    this.#entriesUs.push(nowUs);
    if (this.#entriesUs.length > STORE_BOUNDS.logEntriesMax) this.#entriesUs.shift();
    for (const window of this.#windows) window.add(nowUs, 1);
  }

  /** A window seen for the first time begins with all that is known: what a longer window counted, or a shorter one and the log. */
  #register(windowUs: number, nowUs: number): void {
    const window = new BucketWindow(windowUs);
    window.roll(nowUs);
    const source = this.#windows.find((known) => known.windowUs > windowUs) ?? this.#windows.at(-1);
    // An entry counts as late as its bucket allows: early refusals are possible, late ones are not.
    for (const [bucket, count] of source?.counts ?? []) {
      window.add(Math.min((bucket + 1) * (source as BucketWindow).widthUs - 1, nowUs), count);
    }
    const uncounted = source === undefined ? Number.POSITIVE_INFINITY : source.lowest * source.widthUs;
    for (const entryUs of this.#entriesUs) if (entryUs < uncounted) window.add(entryUs, 1);
    if (this.#windows.length >= STORE_BOUNDS.bucketWindowsMax) this.#windows.shift();
    this.#windows = [...this.#windows, window].sort((a, b) => a.windowUs - b.windowUs);
  }
}
