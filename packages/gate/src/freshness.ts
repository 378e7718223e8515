/**
 * How fresh a node's knowledge of revocations is. A node asks for the head of the log, and once it has applied that head it is
 * fresh from the instant before it asked. No wall clocks of two machines are compared.
 */
import type { Clock, InvalidationScope, Revision, RevocationSubject } from "@kavach/model";

/** What the conductor asks about revocations. Synchronous, but for `reach`. */
export interface RevocationView {
  readonly applied: Revision;
  isRevoked(subject: RevocationSubject): boolean;
  /** Whole milliseconds since the knowledge was fresh when that is too long, else undefined. */
  staleForMs(): number | undefined;
  /** Resolves once `revision` is applied; false when one fresh head, asked after this call, still lies before it. */
  reach(revision: Revision): Promise<boolean>;
  /** The head of the log, asked after this call and applied. Rejects with UnavailableError. */
  freshHead(): Promise<Revision>;
  /** Honours an invalidate verdict of this node before the log has it. */
  applyLocal(realm: string, scope: InvalidationScope): void;
}

/** An instant on both of a machine's clocks. */
export interface Instant {
  readonly wallMs: number;
  readonly monotonicMs: number;
}

export function readInstant(clock: Clock): Instant {
  return { wallMs: clock.nowMs(), monotonicMs: clock.monotonicMs() };
}

/** A permit needs less than this share of the lease to have passed, so that the rest covers the last steps. */
const USABLE_SHARE = 0.99;

/** The lease on the right to permit. It starts expired. */
export class Lease {
  readonly #clock: Clock;
  readonly #leaseMs: number;
  #since: Instant | undefined;

  /** `leaseMs`: 100 or more. */
  constructor(clock: Clock, leaseMs: number) {
    this.#clock = clock;
    this.#leaseMs = leaseMs;
  }

  get leaseMs(): number {
    return this.#leaseMs;
  }

  /** The head that was asked for at `asked` is applied. An earlier instant than the one held changes nothing. */
  grant(asked: Instant): void {
    if (this.#since === undefined || asked.monotonicMs > this.#since.monotonicMs) this.#since = asked;
  }

  /** Nothing known before counts any more. */
  revoke(): void {
    this.#since = undefined;
  }

  /** The larger of what the two clocks say, so that a suspended machine, whose monotonic clock stood still, is not fooled. */
  elapsedMs(): number {
    if (this.#since === undefined) return Number.POSITIVE_INFINITY;
    const now = readInstant(this.#clock);
    return Math.max(now.monotonicMs - this.#since.monotonicMs, now.wallMs - this.#since.wallMs);
  }

  staleForMs(): number | undefined {
    const elapsedMs = this.elapsedMs();
    return elapsedMs < this.#leaseMs * USABLE_SHARE ? undefined : Math.floor(elapsedMs);
  }
}

/**
 * The store's time on this machine: corrected by every answer that carries the store's clock, carried on by the monotonic
 * clock in between, so that all replicas judge by one clock. Until the first answer it is the machine's own.
 */
export class StoreClock implements Clock {
  readonly #clock: Clock;
  #anchor: { readonly storeMs: number; readonly monotonicMs: number } | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The store said `storeMs` in answer to a question asked at `asked` and answered now: it was read halfway, as far as one can know. */
  correct(storeMs: number, asked: Instant): void {
    const monotonicMs = (asked.monotonicMs + this.#clock.monotonicMs()) / 2;
    this.#anchor = { storeMs, monotonicMs };
  }

  nowMs(): number {
    if (this.#anchor === undefined) return this.#clock.nowMs();
    return this.#anchor.storeMs + (this.#clock.monotonicMs() - this.#anchor.monotonicMs);
  }

  monotonicMs(): number {
    return this.#clock.monotonicMs();
  }
}
