/** An audit log that goes on by itself once its disk does: one that stopped is opened anew, as a start of the node would. */
import type { AuditRecord, AuditSink } from "@kavach/audit";
import { reloadAgainAndAgain } from "@kavach/service";

export interface LastingSinkOptions {
  readonly onOpenedAnew: () => void;
  /** A fault is told once, not at every attempt. */
  readonly onFault: (error: unknown) => void;
  /** How often it is looked whether the log has stopped, milliseconds. Default 5000. */
  readonly everyMs?: number;
}

/** Rejects as `open` does. */
export async function openLastingSink(open: () => Promise<AuditSink>, options: LastingSinkOptions): Promise<AuditSink> {
  return new LastingSink(open, await open(), options);
}

class LastingSink implements AuditSink {
  readonly #open: () => Promise<AuditSink>;
  readonly #looking: { close(): void };
  #sink: AuditSink;
  #takingOver: Promise<void> | undefined;

  constructor(open: () => Promise<AuditSink>, sink: AuditSink, { onOpenedAnew, onFault, everyMs }: LastingSinkOptions) {
    this.#open = open;
    this.#sink = sink;
    this.#looking = reloadAgainAndAgain(() => this.#openAnew(), {
      onChange: onOpenedAnew,
      onFault,
      ...(everyMs !== undefined && { everyMs }),
    });
  }

  get stopped() {
    return this.#sink.stopped;
  }

  async append(record: AuditRecord): Promise<void> {
    // Said first: while it is opened anew it is closed as well, which is not what the caller needs to know.
    if (this.#sink.stopped !== undefined) throw this.#sink.stopped;
    await this.#sink.append(record);
  }

  async close(): Promise<void> {
    this.#looking.close();
    await this.#takingOver?.catch(() => {});
    await this.#sink.close();
  }

  async #openAnew(): Promise<boolean> {
    if (this.#sink.stopped === undefined) return false;
    this.#takingOver = this.#takeOver();
    await this.#takingOver;
    return true;
  }

  async #takeOver(): Promise<void> {
    // Lets go of the files. A last checkpoint that cannot be made any more is made by the log that goes on.
    await this.#sink.close().catch(() => {});
    this.#sink = await this.#open();
  }
}
