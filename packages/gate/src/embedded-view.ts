/**
 * Revocations of a gate whose log lives in the same process: its own records are applied before their append returns, those of others
 * that share the log before their caller goes on, so it is always fresh.
 */

import { randomBytes } from "@kavach/crypto";
import type { Clock } from "@kavach/model";
import {
  compareRevisions,
  type InvalidationScope,
  type Revision,
  RevocationIndex,
  type RevocationSubject,
  ZERO_REVISION,
} from "@kavach/model";
import type { RevocationLog } from "@kavach/store";
import type { RevocationView } from "./freshness.ts";

const READ_MAX = 1000;

export class EmbeddedView implements RevocationView {
  readonly #log: RevocationLog;
  readonly #index = new RevocationIndex(randomBytes);
  readonly #clock: Clock;

  #stopWatching: () => void = () => undefined;

  /** Knows nothing before `start` has resolved. */
  constructor(log: RevocationLog, clock: Clock) {
    this.#log = log;
    this.#clock = clock;
  }

  static async open(log: RevocationLog, clock: Clock): Promise<EmbeddedView> {
    const view = new EmbeddedView(log, clock);
    await view.start();
    return view;
  }

  /** Opens the log, reads what it holds, and follows it. */
  async start(): Promise<void> {
    await this.#log.open(ZERO_REVISION);
    await this.#catchUp();
    // A log in memory does not fail to answer; should one, its next record is a reason to read again.
    this.#stopWatching = this.#log.watch(() => void this.#catchUp().catch(() => undefined));
  }

  close(): void {
    this.#stopWatching();
  }

  get applied(): Revision {
    return this.#index.applied;
  }

  isRevoked(subject: RevocationSubject): boolean {
    return this.#index.isRevoked(subject);
  }

  staleForMs(): undefined {
    return undefined;
  }

  async reach(revision: Revision): Promise<boolean> {
    await this.#catchUp();
    return compareRevisions(this.#index.applied, revision) >= 0;
  }

  async freshHead(): Promise<Revision> {
    await this.#catchUp();
    return this.#index.applied;
  }

  applyLocal(realm: string, scope: InvalidationScope): void {
    this.#index.applyLocal(realm, scope, this.#clock.nowMs());
  }

  /** Appends and applies; the shape of `Publish`. */
  async publish(realm: string, scope: InvalidationScope, idempotencyKey: string): Promise<Revision> {
    const revision = await this.#log.append({ realm, scope, idempotencyKey });
    await this.#catchUp();
    return revision;
  }

  async #catchUp(): Promise<void> {
    for (;;) {
      const read = await this.#log.read(this.#index.applied, READ_MAX);
      if (read.kind === "resync") this.#index.merge(read.snapshot);
      else {
        for (const record of read.records) this.#index.apply(record);
        if (read.records.length < READ_MAX) return;
      }
    }
  }
}
