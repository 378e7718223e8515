/** Connect's handler context for a fast call; each part is made when it is first asked for, since most calls ask for few. */

import type { IncomingHttpHeaders } from "node:http2";
import type { DescMethod, DescService } from "@bufbuild/protobuf";
import {
  type ContextValues,
  createContextValues,
  type HandlerContext,
  type UnaryRequest,
  type UnaryResponse,
} from "@connectrpc/connect";
import { SYSTEM_CLOCK } from "@kavach/system";
import { type Connection, connectionKey } from "./connection.ts";
import { RequestHeaders } from "./request-headers.ts";

export class CallContext implements HandlerContext {
  readonly method: DescMethod;
  readonly protocolName = "grpc";
  readonly requestMethod = "POST";
  readonly #raw: IncomingHttpHeaders;
  readonly #connection: Connection;
  /** On the monotonic clock of the process, ms. */
  readonly #deadlineMs: number;
  #abort: AbortController | undefined;
  /** Why the call has ended, kept for a signal that is asked for afterwards. */
  #ended: { readonly reason: unknown } | undefined;
  /** Set when an interceptor has put its own in the place of ours. */
  #signal: AbortSignal | undefined;
  #requestHeader: Headers | undefined;
  #responseHeader: Headers | undefined;
  #responseTrailer: Headers | undefined;
  #values: ContextValues | undefined;

  constructor(method: DescMethod, raw: IncomingHttpHeaders, connection: Connection, deadlineMs: number) {
    this.method = method;
    this.#raw = raw;
    this.#connection = connection;
    this.#deadlineMs = deadlineMs;
  }

  get service(): DescService {
    return this.method.parent;
  }

  get url(): string {
    return `${this.#raw[":scheme"] ?? "http"}://${this.#raw[":authority"] ?? ""}${this.#raw[":path"] ?? ""}`;
  }

  get signal(): AbortSignal {
    if (this.#signal !== undefined) return this.#signal;
    if (this.#abort === undefined) {
      this.#abort = new AbortController();
      if (this.#ended !== undefined) this.#abort.abort(this.#ended.reason);
    }
    return this.#abort.signal;
  }

  timeoutMs(): number | undefined {
    return Number.isFinite(this.#deadlineMs) ? this.#deadlineMs - SYSTEM_CLOCK.monotonicMs() : undefined;
  }

  get requestHeader(): Headers {
    this.#requestHeader ??= new RequestHeaders(this.#raw);
    return this.#requestHeader;
  }

  get responseHeader(): Headers {
    this.#responseHeader ??= new Headers();
    return this.#responseHeader;
  }

  get responseTrailer(): Headers {
    this.#responseTrailer ??= new Headers();
    return this.#responseTrailer;
  }

  get values(): ContextValues {
    this.#values ??= createContextValues().set(connectionKey, this.#connection);
    return this.#values;
  }

  /** What interceptors have passed on is what the implementation sees. */
  adoptRequest({ header, contextValues, signal }: Pick<UnaryRequest, "header" | "contextValues" | "signal">): void {
    this.#requestHeader = header;
    this.#values = contextValues;
    this.#signal = signal;
  }

  adoptResponse({ header, trailer }: Pick<UnaryResponse, "header" | "trailer">): void {
    this.#responseHeader = header;
    this.#responseTrailer = trailer;
  }

  /** Response headers and trailers that the implementation has set, if it has touched them. */
  get sentHeader(): Headers | undefined {
    return this.#responseHeader;
  }

  get sentTrailer(): Headers | undefined {
    return this.#responseTrailer;
  }

  /** Fires the signal; the first reason counts. */
  end(reason: unknown): void {
    if (this.#ended !== undefined) return;
    this.#ended = { reason };
    this.#abort?.abort(reason);
  }
}
