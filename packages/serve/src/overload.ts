/** Tells when the event loop is so far behind that taking another call would only make every call late. */

import { Code, ConnectError } from "@connectrpc/connect";
import { SYSTEM_CLOCK } from "@kavach/system";

const SAMPLE_MS = 10;

export class EventLoopDelay {
  readonly #maxMs: number;
  readonly #timer: NodeJS.Timeout;
  #previousMs = 0;
  #latestMs = 0;
  #dueMs = SYSTEM_CLOCK.monotonicMs() + SAMPLE_MS;

  constructor(maxMs: number) {
    this.#maxMs = maxMs;
    this.#timer = setInterval(() => this.#sample(), SAMPLE_MS);
    this.#timer.unref();
  }

  /** Two slow turns in a row: a single pause, such as a large collection, is over by the time it is seen. */
  get overloaded(): boolean {
    return this.#latestMs > this.#maxMs && this.#previousMs > this.#maxMs;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #sample(): void {
    const nowMs = SYSTEM_CLOCK.monotonicMs();
    this.#previousMs = this.#latestMs;
    this.#latestMs = nowMs - this.#dueMs;
    this.#dueMs = nowMs + SAMPLE_MS;
  }
}

export function overloaded(): ConnectError {
  return new ConnectError("the server is overloaded; try again later", Code.ResourceExhausted);
}
