/**
 * A node's knowledge of revocations in a cluster: follows a fan-out, or the log itself when no fan-out answers, keeps the index, and
 * holds the lease. It asks for the head every fifth of a lease, and is fresh from the instant before it asked once that head is applied.
 */

import { randomBytes } from "@kavach/crypto";
import { Lease, type RevocationView, readInstant, type StoreClock } from "@kavach/gate";
import {
  type Clock,
  compareRevisions,
  type InvalidationScope,
  type Revision,
  RevocationIndex,
  type RevocationRecord,
  type RevocationSnapshot,
  type RevocationSubject,
  UnavailableError,
} from "@kavach/model";
import type { Report } from "@kavach/service";
import type { Head, RevocationLog } from "@kavach/store";

/** What the feed needs of the fan-outs. */
export interface FanoutLink {
  /** The head, asked of the log after this question; carries what this node has applied. */
  head(applied: Revision): Promise<Head>;
  /** Follows the stream and reconnects by itself, until the link is closed. */
  watch(handlers: WatchHandlers): { readonly connected: boolean };
}

/** Events may repeat what was applied before. */
export interface WatchHandlers {
  onRecord(record: RevocationRecord): void;
  onResync(snapshot: RevocationSnapshot): void;
  onBreak(error: unknown): void;
}

export interface FeedOptions {
  readonly fanout: FanoutLink;
  /** The same log, asked directly when no fan-out helps. */
  readonly log: RevocationLog;
  /** The machine's own clock, for the lease. */
  readonly clock: Clock;
  /** Corrected by every answer. */
  readonly storeClock: StoreClock;
  readonly leaseMs: number;
  readonly report: Report;
}

const READ_MAX = 1000;
/** How long `reach` and `freshHead` wait for an asked head to be applied, milliseconds. */
const REACH_MS = 500;

export class Feed implements RevocationView {
  readonly #options: FeedOptions;
  readonly #index = new RevocationIndex(randomBytes);
  readonly #lease: Lease;
  readonly #waiting = new Set<() => void>();
  #watch: { readonly connected: boolean } | undefined;
  #stopBell: (() => void) | undefined;
  #timer: NodeJS.Timeout | undefined;
  #reading: Promise<void> | undefined;
  #closed = false;

  constructor(options: FeedOptions) {
    this.#options = options;
    this.#lease = new Lease(options.clock, options.leaseMs);
  }

  /** Begins to follow. Resolves after the first question, answered or not; the node is ready once it is fresh. */
  async start(): Promise<void> {
    const { fanout, log } = this.#options;
    this.#watch = fanout.watch({
      onRecord: (record) => this.#apply(() => this.#index.apply(record)),
      onResync: (snapshot) => this.#apply(() => this.#index.merge(snapshot)),
      onBreak: (error) => this.#options.report(error, "the stream of revocations broke"),
    });
    // While a fan-out is connected its stream is quicker than a read of our own.
    this.#stopBell = log.watch(() => {
      if (this.#watch?.connected !== true)
        void this.#readLog().catch((error) => this.#options.report(error, "log read failed"));
    });
    await this.#beat();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#stopBell?.();
    for (const wake of this.#waiting) wake();
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

  applyLocal(realm: string, scope: InvalidationScope): void {
    this.#index.applyLocal(realm, scope, this.#options.storeClock.nowMs());
  }

  async reach(revision: Revision): Promise<boolean> {
    if (compareRevisions(this.applied, revision) >= 0) return true;
    try {
      await this.freshHead();
    } catch (error) {
      if (!(error instanceof UnavailableError)) throw error;
    }
    return compareRevisions(this.applied, revision) >= 0;
  }

  async freshHead(): Promise<Revision> {
    const { head } = await this.#ask();
    return head;
  }

  async #beat(): Promise<void> {
    const period = this.#options.leaseMs / 5;
    try {
      await this.#ask();
    } catch (error) {
      this.#options.report(error, "revocation head not confirmed");
    }
    if (!this.#closed) this.#timer = setTimeout(() => void this.#beat(), period);
  }

  /** One question, and its answer applied; grants the lease. Rejects with UnavailableError when either fails. */
  async #ask(): Promise<Head> {
    const { clock, storeClock } = this.#options;
    const asked = readInstant(clock);
    const answer = await this.#head();
    storeClock.correct(answer.storeTimeMs, asked);
    if (compareRevisions(answer.head, this.applied) < 0) {
      // Whoever answered knows less than this node: it lost something, or it is late. Neither makes fresh.
      throw new UnavailableError(
        "LOG_UNAVAILABLE",
        "the head of the revocation log lies before what this node has applied",
      );
    }
    await this.#catchUp(answer.head);
    this.#lease.grant(asked);
    return answer;
  }

  async #head(): Promise<Head> {
    try {
      return await this.#options.fanout.head(this.applied);
    } catch (error) {
      this.#options.report(error, "fan-out did not answer; asking the log");
      try {
        return await this.#options.log.head();
      } catch (cause) {
        throw new UnavailableError("LOG_UNAVAILABLE", "the revocation log did not answer", { cause });
      }
    }
  }

  /** The stream usually brings the records by itself; what it does not bring is read from the log. */
  async #catchUp(head: Revision): Promise<void> {
    if (this.#hasApplied(head)) return;
    if (this.#watch?.connected === true && (await this.#appliedWithin(head, REACH_MS / 5))) return;
    try {
      await this.#readLog();
    } catch (error) {
      this.#options.report(error, "log read failed");
    }
    if (!(await this.#appliedWithin(head, REACH_MS))) {
      throw new UnavailableError("LOG_UNAVAILABLE", "the head of the revocation log could not be applied");
    }
  }

  #hasApplied(head: Revision): boolean {
    return compareRevisions(this.applied, head) >= 0;
  }

  async #appliedWithin(head: Revision, waitMs: number): Promise<boolean> {
    const deadlineMs = this.#options.clock.monotonicMs() + waitMs;
    while (!this.#hasApplied(head)) {
      const leftMs = deadlineMs - this.#options.clock.monotonicMs();
      if (leftMs <= 0 || this.#closed) return false;
      await this.#nextApply(leftMs);
    }
    return true;
  }

  async #nextApply(waitMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, waitMs);
    this.#waiting.add(resolve);
    await promise;
    clearTimeout(timer);
    this.#waiting.delete(resolve);
  }

  /** Reads what the log has beyond this node. Calls that meet a read under way wait for a new one, as it may have begun too early. */
  async #readLog(): Promise<void> {
    await this.#reading?.catch(() => undefined);
    this.#reading ??= this.#readToEnd().finally(() => {
      this.#reading = undefined;
    });
    await this.#reading;
  }

  async #readToEnd(): Promise<void> {
    for (;;) {
      const read = await this.#options.log.read(this.applied, READ_MAX);
      if (read.kind === "resync") {
        this.#apply(() => this.#index.merge(read.snapshot));
        return;
      }
      for (const record of read.records) this.#apply(() => this.#index.apply(record));
      if (read.records.length < READ_MAX) return;
    }
  }

  #apply(change: () => void): void {
    change();
    for (const wake of this.#waiting) wake();
  }
}
