/** Asks a gate cluster for decisions. Every failure means: not permitted. */
import { create } from "@bufbuild/protobuf";
import { type EvaluateRequest, EvaluateRequestSchema, type EvaluateResponse, GateService } from "@kavach/api";
import {
  type Clock,
  type ContextInput,
  contextFromInput,
  InputError,
  type PermitVerdict,
  type RandomBytes,
  type Revision,
  requirePermit,
  uuidFromRandom,
  type Verdict,
} from "@kavach/model";
import { SYSTEM_CLOCK, SYSTEM_RANDOM } from "@kavach/system";
import { contextToWire, revisionToWire } from "@kavach/wire";
import { type Channel, openChannel, type TlsOptions } from "./channel.ts";
import { GateUnavailable, type RpcError } from "./errors.ts";
import { type CallOptions, type GrpcService, grpcServiceOf, rpcError } from "./grpc-service.ts";
import { refuseUnknownKeys } from "./options.ts";
import { readVerdict } from "./verdict.ts";

export interface GateClientOptions {
  /** `"host:port"`, `"dns:///name:port"` (round robin over every address of the name), or a list of `"host:port"`. */
  readonly endpoints: string | readonly string[];
  /** Absent: clear text. */
  readonly tls?: TlsOptions;
  /** Milliseconds that a call may take, its retry included; 1 to 60,000. Default 1000. */
  readonly deadlineMs?: number;
  /** Realm of every call that names none. Default: the cluster's default realm. */
  readonly realm?: string;
  /** Evaluation ids are drawn from it. Default: the operating system's. */
  readonly random?: RandomBytes;
  /** Default: this machine's clock. */
  readonly clock?: Pick<Clock, "nowMs">;
}

export interface EvaluateOptions {
  readonly realm?: string;
  /** UUID. A second call with the same id and the same request is charged once. Default: drawn for each call. */
  readonly evaluationId?: string;
  /** Who may accept the permit: at most 16 names. */
  readonly audience?: readonly string[];
  /** Decide with at least this revision applied. */
  readonly atLeast?: Revision;
  /** Ask for a permit that can be redeemed once. */
  readonly singleUse?: boolean;
  /** Milliseconds, 1 to 60,000. */
  readonly deadlineMs?: number;
  readonly signal?: AbortSignal;
}

const DEADLINE_MS_DEFAULT = 1000;
const DEADLINE_MS_MAX = 60_000;
const OPTION_KEYS = ["endpoints", "tls", "deadlineMs", "realm", "random", "clock"] as const;
const EVALUATE_KEYS = ["realm", "evaluationId", "audience", "atLeast", "singleUse", "deadlineMs", "signal"] as const;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

export class GateClient {
  readonly #options: GateClientOptions;
  readonly #clock: Pick<Clock, "nowMs">;
  readonly #random: RandomBytes;
  readonly #channel: Channel;
  readonly #gate: GrpcService<typeof GateService>;
  #closed: boolean = false;

  /** Connects on the first call. Throws `InputError` for options that cannot be read. */
  constructor(options: GateClientOptions) {
    refuseUnknownKeys(options, OPTION_KEYS);
    deadlineOf(options.deadlineMs);
    const { endpoints, tls, clock = SYSTEM_CLOCK } = options;
    this.#options = options;
    this.#clock = clock;
    this.#random = options.random ?? SYSTEM_RANDOM;
    this.#channel = openChannel({
      endpoints,
      clock,
      ...(tls !== undefined && { tls }),
    });
    this.#gate = grpcServiceOf(GateService, this.#channel);
  }

  /**
   * The verdict: `permit`, `refuse` or `invalidate`. Rejects with `InputError` when the context or the options break a
   * rule, with `GateUnavailable` when there is no verdict. After UNAVAILABLE the call is made once more, with the same evaluation id.
   */
  async evaluate(context: ContextInput, options: EvaluateOptions = {}): Promise<Verdict> {
    refuseUnknownKeys(options, EVALUATE_KEYS);
    const evaluationId = this.#evaluationId(options);
    const request = this.#request(context, evaluationId, options);
    const deadlineMs = deadlineOf(options.deadlineMs ?? this.#options.deadlineMs);
    if (this.#closed) throw new GateUnavailable("CLOSED", "this client is closed");
    const { signal } = options;
    let verdict: Verdict;
    try {
      const response = await this.#ask(request, { deadlineMs, ...(signal !== undefined && { signal }) });
      verdict = readVerdict(response, context.actionName);
    } catch (error) {
      throw failure(error);
    }
    if (verdict.kind === "permit" && verdict.evaluationId.toLowerCase() !== evaluationId.toLowerCase()) {
      throw new GateUnavailable("INVALID_RESPONSE", "the permit answers another evaluation");
    }
    return verdict;
  }

  /** Resolves only with a permit. Throws `Refused` or `Invalidated` for the other verdicts; otherwise as `evaluate`. */
  async check(context: ContextInput, options: EvaluateOptions = {}): Promise<PermitVerdict> {
    return requirePermit(await this.evaluate(context, options));
  }

  /** Ends every connection; calls under way fail with `GateUnavailable`. */
  close(): void {
    this.#closed = true;
    this.#channel.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /**
   * A second call is harmless: with the same evaluation id it is charged once. It is made here and not by the channel, which would not
   * repeat a call whose answer had begun when a connection broke, or a proxy lost its server. Both within one deadline.
   */
  async #ask(
    request: EvaluateRequest,
    options: CallOptions & { readonly deadlineMs: number },
  ): Promise<EvaluateResponse> {
    const endMs = this.#clock.nowMs() + options.deadlineMs;
    try {
      return await this.#gate.evaluate(request, options);
    } catch (error) {
      const leftMs = endMs - this.#clock.nowMs();
      if (!(isBroken(rpcError(error)) && leftMs >= 1) || this.#closed) throw error;
      return await this.#gate.evaluate(request, { ...options, deadlineMs: leftMs });
    }
  }

  #evaluationId(options: EvaluateOptions): string {
    const id = options.evaluationId ?? uuidFromRandom(this.#random(16));
    if (!UUID.test(id)) throw new InputError([{ field: "evaluationId", reason: "must be a UUID" }]);
    return id;
  }

  #request(context: ContextInput, evaluationId: string, options: EvaluateOptions) {
    const { audience, atLeast, singleUse } = options;
    const read = contextFromInput(context, { nowMs: this.#clock.nowMs(), unnamedSessionId: evaluationId });
    return create(EvaluateRequestSchema, {
      realm: options.realm ?? this.#options.realm ?? "",
      evaluationId,
      context: contextToWire(read),
      ...(audience !== undefined && { audience: [...audience] }),
      ...(atLeast !== undefined && { atLeast: revisionToWire(atLeast) }),
      ...(singleUse !== undefined && { singleUse }),
    });
  }
}

/** Nobody answered, or the stream was reset while somebody did; grpc-js has no other sign of the latter than its words. */
function isBroken({ code, message }: RpcError): boolean {
  return code === "UNAVAILABLE" || (code === "INTERNAL" && message.startsWith("Received RST_STREAM"));
}

function deadlineOf(deadlineMs: number | undefined): number {
  const ms = deadlineMs ?? DEADLINE_MS_DEFAULT;
  if (!(ms >= 1 && ms <= DEADLINE_MS_MAX)) {
    throw new InputError([{ field: "deadlineMs", reason: `must be from 1 to ${DEADLINE_MS_MAX}` }]);
  }
  return ms;
}

/** An input error that the gate found stays one; everything else means that there is no verdict. */
function failure(error: unknown): InputError | GateUnavailable {
  if (error instanceof InputError) {
    return new GateUnavailable("INVALID_RESPONSE", "the answer breaks the contract", { cause: error });
  }
  const rpc = rpcError(error);
  if (rpc.code === "INVALID_ARGUMENT") {
    return new InputError(rpc.violations.length > 0 ? rpc.violations : [{ field: "", reason: rpc.message }]);
  }
  return new GateUnavailable(rpc.code, rpc.message, { cause: rpc });
}
