/**
 * Revocations of a gate whose log is shared with other processes. It asks for the head of the log every fifth of a lease; once it has
 * applied that head it is fresh from the instant before it asked, and a gate that is not fresh refuses.
 */
import { randomBytes } from "@kavach/crypto";
import {
  type Clock,
  compareRevisions,
  type InvalidationScope,
  type Revision,
  RevocationIndex,
  type RevocationSubject,
} from "@kavach/model";
import { LogError, type RevocationLog } from "@kavach/store";
import { Lease, type RevocationView, readInstant, type StoreClock } from "./freshness.ts";

export interface LeasedViewOptions {
  readonly log: RevocationLog;
  /** This machine's: leases are compared with nobody else's clock. */
  readonly clock: Clock;
  /** Corrected by every answer of the log. */
  readonly storeClock?: StoreClock;
  /** Milliseconds that knowledge may be old, 100 or more. */
  readonly leaseMs: number;
  /** Told of every round that failed. */
  readonly report: (error: unknown, what: string) => void;
}

const READ_MAX = 1000;
const ROUNDS_PER_LEASE = 5;

export class LeasedView implements RevocationView {
  readonly #options: LeasedViewOptions;
  readonly #index = new RevocationIndex(randomBytes);
  readonly #lease: Lease;
  /** The incarnation of the log that this process may write to and believe. */
  #opened = false;
  #timer: NodeJS.Timeout | undefined;
  #stopWatching: () => void = () => undefined;

  constructor(options: LeasedViewOptions) {
    this.#options = options;
    this.#lease = new Lease(options.clock, options.leaseMs);
  }

  /** Resolves after the first round, whatever came of it: until one has succeeded, the knowledge is stale. */
  async start(): Promise<void> {
    const { log, leaseMs } = this.#options;
    this.#stopWatching = log.watch(() => void this.#tryRound());
    this.#timer = setInterval(() => void this.#tryRound(), leaseMs / ROUNDS_PER_LEASE);
    this.#timer.unref();
    await this.#tryRound();
  }

  close(): void {
    clearInterval(this.#timer);
    this.#stopWatching();
    this.#lease.revoke();
  }

  get applied(): Revision {
    return this.#index.applied;
  }

  isRevoked(subject: RevocationSubject): boolean {
    return this.#index.isRevoked(subject);
  }

  staleForMs(): number | undefined {
    return this.#lease.staleForMs();
  }

  async reach(revision: Revision): Promise<boolean> {
    if (compareRevisions(this.applied, revision) >= 0) return true;
    await this.#round();
    return compareRevisions(this.applied, revision) >= 0;
  }

  async freshHead(): Promise<Revision> {
    await this.#round();
    return this.applied;
  }

  applyLocal(realm: string, scope: InvalidationScope): void {
    this.#index.applyLocal(realm, scope, (this.#options.storeClock ?? this.#options.clock).nowMs());
  }

  /** Appends and applies; the shape of `Publish`. */
  async publish(realm: string, scope: InvalidationScope, idempotencyKey: string): Promise<Revision> {
    const revision = await this.#onOpenLog((log) => log.append({ realm, scope, idempotencyKey }));
    await this.#tryRound();
    return revision;
  }

  async #tryRound(): Promise<void> {
    try {
      await this.#round();
    } catch (error) {
      // The lease runs on: knowledge that is still young enough counts, and the next round may succeed.
      this.#options.report(error, "the revocation log does not answer");
    }
  }

  async #round(): Promise<void> {
    const asked = readInstant(this.#options.clock);
    const { head, storeTimeMs } = await this.#onOpenLog((log) => log.head());
    this.#options.storeClock?.correct(storeTimeMs, asked);
    while (compareRevisions(this.applied, head) < 0) {
      const read = await this.#onOpenLog((log) => log.read(this.applied, READ_MAX));
      if (read.kind === "resync") this.#index.merge(read.snapshot);
      else for (const record of read.records) this.#index.apply(record);
      if (read.kind === "records" && read.records.length === 0) break;
    }
    if (compareRevisions(this.applied, head) >= 0) this.#lease.grant(asked);
  }

  /**
   * Another incarnation of the log must be opened first, which may void everything older; until then nothing that was known counts. It is
   * tried once: whoever asks again begins anew.
   */
  async #onOpenLog<T>(call: (log: RevocationLog) => Promise<T>): Promise<T> {
    const { log } = this.#options;
    try {
      if (!this.#opened) await log.open(this.applied);
      this.#opened = true;
      return await call(log);
    } catch (error) {
      if (!(error instanceof LogError)) throw error;
      this.#opened = false;
      this.#lease.revoke();
      await log.open(this.applied);
      this.#opened = true;
      return await call(log);
    }
  }
}
