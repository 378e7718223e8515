/** The RevocationLog port: the one truth about revocations. Its memory twin is memory-revocation-log.ts. */
import type { InvalidationScope, Revision, RevocationRecord, RevocationSnapshot } from "@kavach/model";

export interface AppendRequest {
  readonly realm: string;
  readonly scope: InvalidationScope;
  /** A retry with the same key returns the first call's revision; empty: none. */
  readonly idempotencyKey: string;
}

export interface Head {
  readonly head: Revision;
  /** The log's clock, Unix ms. */
  readonly storeTimeMs: number;
}

export type ReadResult =
  | { readonly kind: "records"; readonly records: readonly RevocationRecord[]; readonly head: Revision }
  /** `from` is behind the history kept, or of another generation: merge the snapshot, go on from its head. */
  | { readonly kind: "resync"; readonly snapshot: RevocationSnapshot };

export type LogErrorCode =
  /** The server is another incarnation than the head says: nothing is granted until the log is opened again. */
  | "OTHER_INCARNATION"
  /** There is no head: the log was never opened, or emptied. */
  | "NOT_OPEN";

export class LogError extends Error {
  override readonly name = "LogError";
  readonly code: LogErrorCode;

  constructor(code: LogErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/**
 * One sequence of revisions for all realms; records name their realm. Every method rejects with `UnavailableError`
 * when the log does not answer, and with `LogError` when it must be opened first.
 */
export interface RevocationLog {
  /**
   * Makes the log usable on this server. Carried over at no cost where it is durable and nobody knows more than its
   * head (`known` is the latest revision anybody alive has seen); else void: the floor of every realm rises to the new generation.
   * A no-op where generation and incarnation agree and `known` is not later than the head.
   */
  open(
    known: Revision,
  ): Promise<{ readonly head: Revision; readonly outcome: "unchanged" | "created" | "carried" | "void" }>;
  append(request: AppendRequest): Promise<Revision>;
  head(): Promise<Head>;
  /** Records after `from` in order, at most `limit`; or a snapshot. `undefined` asks for the snapshot. */
  read(from: Revision | undefined, limit: number): Promise<ReadResult>;
  /** Calls `ring` when something may be new. A bell, never believed: readers also ask on a timer. Returns a stop function. */
  watch(ring: () => void): () => void;
  close(): Promise<void>;
}
