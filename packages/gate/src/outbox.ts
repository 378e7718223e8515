/**
 * Publishes invalidate verdicts. The first try is awaited for a short time; what fails is tried again in the background,
 * with the evaluation id as idempotency key, until the log has it. A failed publish never softens a verdict.
 */
import type { InvalidationScope, Propagation, Revision } from "@kavach/model";

/** Writes to the revocation log: through a fan-out, or straight to an embedded log. Rejects when not recorded for certain. */
export type Publish = (realm: string, scope: InvalidationScope, idempotencyKey: string) => Promise<Revision>;

interface Pending {
  readonly realm: string;
  readonly scope: InvalidationScope;
  readonly key: string;
}

export interface OutboxOptions {
  readonly publish: Publish;
  /** How long a verdict waits for the log, milliseconds. Absent: until it has answered, as a log in the same process does at once. */
  readonly waitMs?: number;
  /** Time between two rounds of retries, milliseconds. */
  readonly retryMs: number;
  /** Told about every failed try. */
  readonly onFailure: (error: unknown, pending: number) => void;
}

/** What waits is bounded: past this many, the oldest stay and new ones are reported as failed, but still honoured on this node. */
const PENDING_MAX = 100_000;

export class Outbox {
  readonly #options: OutboxOptions;
  readonly #pending = new Map<string, Pending>();
  #timer: NodeJS.Timeout | undefined;
  #round: Promise<void> | undefined;
  #closed = false;

  constructor(options: OutboxOptions) {
    this.#options = options;
  }

  /** Invalidations that the log does not have yet. */
  get pending(): number {
    return this.#pending.size;
  }

  async send(realm: string, scope: InvalidationScope, key: string): Promise<Propagation> {
    const item: Pending = { realm, scope, key };
    const sent = this.#options.publish(realm, scope, key).then(
      () => true,
      (error: unknown) => {
        this.#keep(item, error);
        return false;
      },
    );
    const { waitMs } = this.#options;
    if (waitMs === undefined) return (await sent) ? "published" : "local_only";
    const { promise: late, resolve } = Promise.withResolvers<false>();
    const timer = setTimeout(resolve, waitMs, false);
    try {
      return (await Promise.race([sent, late])) ? "published" : "local_only";
    } finally {
      clearTimeout(timer);
    }
  }

  /** Stops retrying; resolves when the round under way has ended. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#round;
  }

  #keep(item: Pending, error: unknown): void {
    if (this.#pending.size < PENDING_MAX) this.#pending.set(item.key, item);
    this.#options.onFailure(error, this.#pending.size);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#closed || this.#timer !== undefined || this.#pending.size === 0) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#round = this.#retry().finally(() => {
        this.#round = undefined;
        this.#schedule();
      });
    }, this.#options.retryMs);
  }

  async #retry(): Promise<void> {
    for (const item of [...this.#pending.values()]) {
      if (this.#closed) return;
      try {
        await this.#options.publish(item.realm, item.scope, item.key);
        this.#pending.delete(item.key);
      } catch (error) {
        // One failure ends the round: the others would meet the same log.
        this.#options.onFailure(error, this.#pending.size);
        return;
      }
    }
  }
}
