/** The one reader of the log in this process: follows it in order without gaps, and hands every record to whoever listens. */
import { type Clock, compareRevisions, type Revision, type RevocationRecord } from "@kavach/model";
import type { RevocationLog } from "@kavach/store";
import type { LogOpener } from "./log-opener.ts";

export interface TailListener {
  /** Records in order, each directly after the one before. */
  onRecords(records: readonly RevocationRecord[]): void;
  /** History was skipped: read the log anew. */
  onReset(): void;
}

export interface LogTailOptions {
  readonly log: RevocationLog;
  readonly opener: LogOpener;
  readonly clock: Pick<Clock, "monotonicMs">;
  /** Told of the first reading that fails, and of the first that succeeds again (undefined). */
  onReading(error: unknown): void;
}

const READ_MAX = 1000;
/** The bell can be lost; the log is asked this often without it. */
const POLL_MS = 200;
const BACKOFF_MS_MAX = 1000;

export class LogTail {
  readonly #options: LogTailOptions;
  readonly #listeners = new Set<TailListener>();
  #position: Revision | undefined;
  #readAtMs = Number.NEGATIVE_INFINITY;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;
  #failures = 0;
  #timer: NodeJS.Timeout | undefined;
  #stopBell: (() => void) | undefined;
  #stopped = false;

  constructor(options: LogTailOptions) {
    this.#options = options;
  }

  /** Everything up to here was read; undefined before the first reading. */
  get position(): Revision | undefined {
    return this.#position;
  }

  /** Milliseconds since the last reading that reached the end of the log began. */
  get ageMs(): number {
    return this.#options.clock.monotonicMs() - this.#readAtMs;
  }

  start(): void {
    this.#stopBell = this.#options.log.watch(() => this.#wake());
    this.#wake();
  }

  /** No listener hears anything after this. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#stopBell?.();
    this.#listeners.clear();
    await this.#running?.catch(() => {});
  }

  /** The listener hears every record after `position`. Returns what ends it. */
  listen(listener: TailListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Reads to the end of the log, beginning after this call. Rejects with UnavailableError. */
  catchUp(): Promise<void> {
    if (this.#running === undefined) return this.#start();
    this.#next ??= this.#running.then(
      () => this.#startNext(),
      () => this.#startNext(),
    );
    return this.#next;
  }

  /** A reading that somebody else has begun meanwhile is late enough; two at once would hand records out twice. */
  #startNext(): Promise<void> {
    this.#next = undefined;
    return this.#running ?? this.#start();
  }

  #start(): Promise<void> {
    const running = this.#readToEnd().finally(() => {
      if (this.#running === running) this.#running = undefined;
    });
    this.#running = running;
    return running;
  }

  /** The bell or the timer; a failure is reported and tried again later. */
  #wake(): void {
    clearTimeout(this.#timer);
    if (this.#stopped) return;
    this.catchUp().then(
      () => this.#rest(undefined),
      (error: unknown) => this.#rest(error),
    );
  }

  #rest(error: unknown): void {
    if (this.#stopped) return;
    if ((error === undefined) !== (this.#failures === 0)) this.#options.onReading(error);
    this.#failures = error === undefined ? 0 : this.#failures + 1;
    clearTimeout(this.#timer);
    const ms = Math.min(BACKOFF_MS_MAX, POLL_MS * 2 ** Math.min(this.#failures, 8));
    this.#timer = setTimeout(() => this.#wake(), error === undefined ? POLL_MS : ms);
  }

  async #readToEnd(): Promise<void> {
    const { log, opener, clock } = this.#options;
    const beganAtMs = clock.monotonicMs();
    if (this.#position === undefined) {
      // Only the place is wanted, not the state: who needs that reads it for itself.
      this.#moveTo((await opener.opened(() => log.head())).head);
    }
    while (!this.#stopped) {
      const read = await opener.opened(() => log.read(this.#position, READ_MAX), this.#position);
      if (read.kind === "resync") {
        this.#reset(read.snapshot.head);
        break;
      }
      const isAtEnd = this.#take(read.records, read.head);
      if (isAtEnd) break;
    }
    this.#readAtMs = beganAtMs;
  }

  /** True at the end of the log. A hole in the numbers, or a head that is not delivered, is skipped history, whatever the log says. */
  #take(records: readonly RevocationRecord[], head: Revision): boolean {
    const from = this.#position;
    const isWhole =
      from !== undefined && followsOn(from, records) && (records.length > 0 || compareRevisions(from, head) >= 0);
    if (!isWhole) {
      this.#reset(head);
      return true;
    }
    const last = records.at(-1)?.revision;
    if (last === undefined) return true;
    this.#moveTo(last);
    for (const listener of this.#listeners) listener.onRecords(records);
    return compareRevisions(last, head) >= 0;
  }

  #reset(position: Revision): void {
    this.#moveTo(position);
    for (const listener of this.#listeners) listener.onReset();
  }

  #moveTo(position: Revision): void {
    this.#position = position;
    this.#options.opener.know(position);
  }
}

/** True where each record's number is one more than that before, in the generation of `from`. */
export function followsOn(from: Revision, records: readonly RevocationRecord[]): boolean {
  return records.every(
    ({ revision }, i) => revision.generation === from.generation && revision.number === from.number + 1 + i,
  );
}
