/** Answers "where is the head?" with a reading of the log that began after the question came. */
import { compareRevisions, type Revision, UnavailableError } from "@kavach/model";
import type { Head, RevocationLog } from "@kavach/store";
import type { LogOpener } from "./log-opener.ts";

export class FreshHead {
  readonly #log: RevocationLog;
  readonly #opener: LogOpener;
  #running: Promise<Head> | undefined;
  #next: Promise<Head> | undefined;

  constructor(log: RevocationLog, opener: LogOpener) {
    this.#log = log;
    this.#opener = opener;
  }

  /**
   * `applied` is what the asker has applied. Where anybody knows more than the log says, the log lost data: it is
   * opened again, and nothing is answered before that is done. Rejects with UnavailableError.
   */
  async ask(applied: Revision | undefined): Promise<Head> {
    if (applied !== undefined) this.#opener.know(applied);
    // Taken before the log is asked: an append that comes later may be known before the reading returns.
    const known = this.#opener.known;
    const answer = await this.#share();
    const isFromBefore = applied !== undefined && applied.generation > 0 && applied.generation < answer.head.generation;
    if (compareRevisions(answer.head, known) >= 0 && !isFromBefore) return this.#noted(answer);
    await this.#opener.open(applied);
    const again = await this.#share();
    if (compareRevisions(again.head, known) < 0) {
      throw new UnavailableError("LOG_UNAVAILABLE", "the revocation log knows less than its readers");
    }
    return this.#noted(again);
  }

  #noted(answer: Head): Head {
    this.#opener.know(answer.head);
    return answer;
  }

  /** One reading at a time. Who comes while one runs shares the next: the running one may have begun too early. */
  #share(): Promise<Head> {
    if (this.#running === undefined) return this.#start();
    this.#next ??= this.#running.then(
      () => this.#startNext(),
      () => this.#startNext(),
    );
    return this.#next;
  }

  #startNext(): Promise<Head> {
    this.#next = undefined;
    return this.#running ?? this.#start();
  }

  #start(): Promise<Head> {
    const running = this.#opener
      .opened(() => this.#log.head())
      .finally(() => {
        if (this.#running === running) this.#running = undefined;
      });
    this.#running = running;
    return running;
  }
}
