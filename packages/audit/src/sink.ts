/** Where audit records go. The port, and its twin in memory. */
import { AuditError } from "./errors.ts";
import type { AuditRecord } from "./record.ts";

export interface AuditSink {
  /** Why nothing is taken any more until the log is opened anew, as after a disk that failed; undefined while it goes on. */
  readonly stopped?: AuditError | undefined;
  /** Resolves when the record is durable. Rejects with AuditError; the record may then be in the log or not. */
  append(record: AuditRecord): Promise<void>;
  /** Resolves when everything that was appended before is durable or has been rejected. Later appends are rejected. */
  close(): Promise<void>;
}

/** Keeps records in memory, all of them: for tests and short runs. */
export class MemoryAuditSink implements AuditSink {
  readonly #records: AuditRecord[] = [];
  #closed: boolean = false;

  get records(): readonly AuditRecord[] {
    return this.#records;
  }

  async append(record: AuditRecord): Promise<void> {
    if (this.#closed) throw new AuditError("SINK_CLOSED", "the audit sink is closed");
    this.#records.push(record);
  }

  async close(): Promise<void> {
    this.#closed = true;
  }
}
