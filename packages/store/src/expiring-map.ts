/** A map whose entries end at an instant, and whose memory follows them: every write also looks at a few old entries. */

interface Entry<V> {
  readonly value: V;
  readonly expiresAtMs: number;
}

/** Entries looked at with each write. More than one, so that the map shrinks faster than it grows. */
const SWEEP_STEPS = 4;

export class ExpiringMap<V> {
  readonly #entries = new Map<string, Entry<V>>();
  #sweep = this.#entries.entries();

  get size(): number {
    return this.#entries.size;
  }

  /** The value, unless it has ended: at `expiresAtMs` it is gone. */
  get(key: string, nowMs: number): V | undefined {
    const entry = this.#entries.get(key);
    return entry !== undefined && nowMs < entry.expiresAtMs ? entry.value : undefined;
  }

  set(key: string, value: V, expiresAtMs: number, nowMs: number): void {
    this.#entries.set(key, { value, expiresAtMs });
    this.#dropExpired(nowMs);
  }

  /** Keys that have not ended, in the order they were set first. */
  *keys(nowMs: number): Generator<string> {
    for (const [key, entry] of this.#entries) if (nowMs < entry.expiresAtMs) yield key;
  }

  delete(key: string): boolean {
    return this.#entries.delete(key);
  }

  #dropExpired(nowMs: number): void {
    for (let step = 0; step < SWEEP_STEPS; step++) {
      const next = this.#sweep.next();
      if (next.done === true) {
        this.#sweep = this.#entries.entries();
        return;
      }
      const [key, entry] = next.value;
      if (nowMs >= entry.expiresAtMs) this.#entries.delete(key);
    }
  }
}
