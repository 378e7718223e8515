/** Asks a fan-out: the head of the revocation log, new revocations, and the stream of all of them. */
import { InvalidationService, Wait, type WatchInvalidationsResponse } from "@kavach/api";
import {
  type Clock,
  InputError,
  type InvalidationScope,
  type Revision,
  type RevocationRecord,
  type RevocationSnapshot,
  UnavailableError,
} from "@kavach/model";
import { SYSTEM_CLOCK } from "@kavach/system";
import {
  recordFromWire,
  requiredInstant,
  requiredRevision,
  revisionToWire,
  scopeToWire,
  snapshotFromWire,
} from "@kavach/wire";
import { type Channel, openChannel, type TlsOptions } from "./channel.ts";
import type { RpcError } from "./errors.ts";
import { type CallOptions, type GrpcService, grpcServiceOf, rpcError } from "./grpc-service.ts";
import { refuseUnknownKeys } from "./options.ts";

export interface FanoutClientOptions {
  /** `"host:port"`, `"dns:///name:port"`, or a list of `"host:port"`: any replicas of the fan-out. */
  readonly endpoints: string | readonly string[];
  readonly tls?: TlsOptions;
  /** Default: this machine's clock. */
  readonly clock?: Pick<Clock, "nowMs">;
  /** Milliseconds that `head` and `invalidate` may take where the call says nothing else. Default 1000. */
  readonly deadlineMs?: number;
}

export interface HeadQuestion {
  /** Empty: all realms. */
  readonly realm?: string;
  /** Who asks, so that `wait: "all"` knows whom to wait for; empty: nobody that permits. */
  readonly watcherId?: string;
  /** What the asker has applied. */
  readonly applied?: Revision;
}

export interface HeadAnswer {
  readonly head: Revision;
  /** The log's clock, Unix milliseconds. */
  readonly storeTimeMs: number;
}

export interface InvalidateInput {
  /** Empty: the default realm. */
  readonly realm?: string;
  readonly scope: InvalidationScope;
  /** A retry with the same key is recorded once. Empty: none. */
  readonly idempotencyKey?: string;
  /** `all`: return when every node that may still permit has applied it, at the latest one lease after. Default `none`. */
  readonly wait?: "none" | "all";
}

export type WatchEvent =
  | { readonly kind: "record"; readonly record: RevocationRecord }
  | { readonly kind: "heartbeat"; readonly head: Revision }
  | { readonly kind: "resync"; readonly snapshot: RevocationSnapshot };

const OPTION_KEYS = ["endpoints", "tls", "clock", "deadlineMs"] as const;
const DEADLINE_MS_DEFAULT = 1000;

/** Rejects with `InputError` for a bad question and with `UnavailableError` for every other failure. */
export class FanoutClient {
  readonly #channel: Channel;
  readonly #calls: GrpcService<typeof InvalidationService>;
  readonly #deadlineMs: number;

  constructor(options: FanoutClientOptions) {
    refuseUnknownKeys(options, OPTION_KEYS);
    const { endpoints, tls, clock = SYSTEM_CLOCK, deadlineMs } = options;
    this.#channel = openChannel({
      endpoints,
      clock,
      ...(tls !== undefined && { tls }),
      retried: [InvalidationService.method.getHead],
    });
    this.#calls = grpcServiceOf(InvalidationService, this.#channel);
    this.#deadlineMs = deadlineMs ?? DEADLINE_MS_DEFAULT;
  }

  /** The head of the log, read there after this question came. */
  async head(question: HeadQuestion = {}, options: CallOptions = {}): Promise<HeadAnswer> {
    const { realm = "", watcherId = "", applied } = question;
    return this.#ask(async () => {
      const answer = await this.#calls.getHead(
        { realm, watcherId, ...(applied !== undefined && { applied: revisionToWire(applied) }) },
        { deadlineMs: this.#deadlineMs, ...options },
      );
      return {
        head: requiredRevision(answer.head, "head"),
        storeTimeMs: requiredInstant(answer.storeTime, "store_time"),
      };
    });
  }

  /** The revision at which it is recorded. After `UnavailableError` it is recorded perhaps: retry with the same key. */
  async invalidate(input: InvalidateInput, options: CallOptions = {}): Promise<Revision> {
    const { realm = "", scope, idempotencyKey = "", wait = "none" } = input;
    return this.#ask(async () => {
      const answer = await this.#calls.invalidate(
        { realm, scope: scopeToWire(scope), idempotencyKey, wait: wait === "all" ? Wait.ALL : Wait.NONE },
        { deadlineMs: this.#deadlineMs, ...options },
      );
      return requiredRevision(answer.revision, "revision");
    });
  }

  /**
   * Every record after `from`, in order; a resync first where `from` is not given or cannot be resumed. Iterating throws
   * `UnavailableError` when the stream breaks: resume from what was applied. `InvalidationWatch` does that.
   */
  async *watch(
    question: { readonly realm?: string; readonly from?: Revision },
    signal: AbortSignal,
  ): AsyncGenerator<WatchEvent> {
    const { realm = "", from } = question;
    try {
      const request = { realm, ...(from !== undefined && { from: revisionToWire(from) }) };
      for await (const response of this.#calls.watchInvalidations(request, { signal })) {
        const event = readEvent(response);
        if (event !== undefined) yield event;
      }
    } catch (error) {
      throw failure(error);
    }
    throw new UnavailableError("LOG_UNAVAILABLE", "the fan-out ended the watch");
  }

  close(): void {
    this.#channel.close();
  }

  async #ask<Answer>(call: () => Promise<Answer>): Promise<Answer> {
    try {
      return await call();
    } catch (error) {
      throw failure(error);
    }
  }
}

/** Undefined for an event of a kind that is not known here: the gap check tells whether it mattered. */
function readEvent({ event }: WatchInvalidationsResponse): WatchEvent | undefined {
  switch (event.case) {
    case "record":
      return { kind: "record", record: recordFromWire(event.value, "record") };
    case "heartbeat":
      return { kind: "heartbeat", head: requiredRevision(event.value.head, "heartbeat.head") };
    case "resync":
      return { kind: "resync", snapshot: snapshotFromWire(event.value, "resync") };
    default:
      return undefined;
  }
}

function failure(error: unknown): InputError | UnavailableError {
  if (error instanceof InputError) {
    return new UnavailableError("LOG_UNAVAILABLE", "the fan-out's answer breaks the contract", { cause: error });
  }
  const rpc: RpcError = rpcError(error);
  if (rpc.code === "INVALID_ARGUMENT") {
    return new InputError(rpc.violations.length > 0 ? rpc.violations : [{ field: "", reason: rpc.message }]);
  }
  const code = rpc.code === "DEADLINE_EXCEEDED" ? "DEADLINE_EXCEEDED" : "LOG_UNAVAILABLE";
  return new UnavailableError(code, `${rpc.code}: ${rpc.message}`, { cause: rpc });
}
