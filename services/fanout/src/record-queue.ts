/** Between the tail and one watcher: bounded, so that a slow watcher costs a fixed amount and is then cut off. */
import type { RevocationRecord } from "@kavach/model";
import type { TailListener } from "./log-tail.ts";

export type QueueState = "open" | "reset" | "overflowed";

export class RecordQueue implements TailListener {
  readonly #max: number;
  #records: RevocationRecord[] = [];
  #state: QueueState = "open";
  #wake: (() => void) | undefined;

  constructor(max: number) {
    this.#max = max;
  }

  /** Once it is not open, nothing more goes in. */
  get state(): QueueState {
    return this.#state;
  }

  onRecords(records: readonly RevocationRecord[]): void {
    if (this.#state !== "open") return;
    if (this.#records.length + records.length > this.#max) this.#end("overflowed");
    else this.#records.push(...records);
    this.#wake?.();
  }

  onReset(): void {
    if (this.#state === "open") this.#end("reset");
    this.#wake?.();
  }

  /** Everything that waits, in order. */
  take(): RevocationRecord[] {
    const records = this.#records;
    this.#records = [];
    return records;
  }

  /** Resolves when there is something to look at, after `ms`, or when the signal fires. */
  wait(ms: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted || this.#records.length > 0 || this.#state !== "open") return Promise.resolve();
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        signal.removeEventListener("abort", wake);
        this.#wake = undefined;
        resolve();
      };
      const timer = setTimeout(wake, ms);
      signal.addEventListener("abort", wake);
      this.#wake = wake;
    });
  }

  #end(state: QueueState): void {
    this.#state = state;
    this.#records = [];
  }
}
