/** A revocation log for tests: a memory log that can go away, lose its memory, ring or not, and count its readings. */
import { type Clock, type Revision, UnavailableError } from "@kavach/model";
import { type AppendRequest, MemoryRevocationLog, type RevocationLog } from "@kavach/store";

export class ScriptedLog implements RevocationLog {
  away = false;
  bell = true;
  heads = 0;
  readonly #clock: Clock;
  readonly #historyMax: number;
  readonly #rings = new Set<() => void>();
  #log: MemoryRevocationLog;

  constructor(clock: Clock, historyMax = 10_000) {
    this.#clock = clock;
    this.#historyMax = historyMax;
    this.#log = this.#fresh();
  }

  /** What happens when the server comes back empty. */
  loseEverything(): void {
    this.#log = this.#fresh();
  }

  async open(known: Revision) {
    return this.#reached().open(known);
  }

  async append(request: AppendRequest) {
    return this.#reached().append(request);
  }

  async head() {
    this.heads += 1;
    return this.#reached().head();
  }

  async read(from: Revision | undefined, limit: number) {
    return this.#reached().read(from, limit);
  }

  watch(ring: () => void): () => void {
    this.#rings.add(ring);
    return () => this.#rings.delete(ring);
  }

  async close(): Promise<void> {}

  #fresh(): MemoryRevocationLog {
    const log = new MemoryRevocationLog(this.#clock, this.#historyMax);
    log.watch(() => {
      if (!this.bell) return;
      for (const ring of this.#rings) ring();
    });
    return log;
  }

  #reached(): MemoryRevocationLog {
    if (this.away) throw new UnavailableError("LOG_UNAVAILABLE", "the log is away");
    return this.#log;
  }
}
