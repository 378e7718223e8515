/**
 * The fast path: unary gRPC over HTTP/2, written directly on `node:http2` streams because the general path costs five
 * times as much. It answers what the Connect path answers, byte for byte where a caller can see it.
 */

import type { IncomingHttpHeaders, ServerHttp2Stream } from "node:http2";
import { fromBinary, type Message, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { mergeNonProtocolHeaders } from "@connectrpc/connect/protocol";
import { setTrailerStatus } from "@connectrpc/connect/protocol-grpc";
import { SYSTEM_CLOCK } from "@kavach/system";
import { CallContext } from "./call-context.ts";
import type { Connection } from "./connection.ts";
import { callerGone, type OnInternalError, reported } from "./door.ts";
import type { HotMethod } from "./hot-method.ts";
import { pathOf } from "./limits.ts";
import { lingerStream } from "./linger.ts";
import { deadlineExceeded } from "./public-error.ts";
import { grpcTimeoutMs } from "./timeouts.ts";
import { framed, PREFIX_BYTES, prefixed, UnaryFrame } from "./unary-frame.ts";

export interface FastPathOptions {
  readonly methods: readonly HotMethod[];
  readonly deadlineMs: number;
  /** Throws when no further call is to be taken. */
  readonly admit: () => void;
  readonly onInternalError: OnInternalError;
}

/** True when the call is taken. False: it is another path's, and the stream is untouched. */
export type FastPath = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, connection: Connection) => boolean;

const CONTENT_TYPE = "application/grpc+proto";
const OK_HEADERS = { ":status": 200, "content-type": CONTENT_TYPE } as const;
const OK_TRAILERS = { "grpc-status": "0" } as const;
const UNTIL_TRAILERS = { waitForTrailers: true } as const;
const TIMER_MS_MAX = 2 ** 31 - 1;

export function fastPath(options: FastPathOptions): FastPath {
  const methods = new Map(options.methods.map((hot) => [pathOf(hot.method), hot]));
  return (stream, headers, connection) => {
    const hot = methods.get(headers[":path"] ?? "");
    if (hot === undefined || !isPlainGrpc(headers)) return false;
    new FastCall(stream, headers, hot, connection, options).begin();
    return true;
  };
}

/** Compressed and JSON requests can only be told apart here: once the body is read, the call cannot be handed on. */
function isPlainGrpc(headers: IncomingHttpHeaders): boolean {
  const type = headers["content-type"];
  if (type !== "application/grpc" && type !== CONTENT_TYPE) return false;
  const encoding = headers["grpc-encoding"];
  return headers[":method"] === "POST" && (encoding === undefined || encoding === "identity");
}

class FastCall {
  readonly #stream: ServerHttp2Stream;
  readonly #hot: HotMethod;
  readonly #options: FastPathOptions;
  readonly #frame: UnaryFrame;
  readonly #context: CallContext;
  readonly #timeoutMs: number | ConnectError;
  #timer: NodeJS.Timeout | undefined;
  /** Set once; whatever comes after is dropped. */
  #ended = false;

  constructor(
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    hot: HotMethod,
    connection: Connection,
    options: FastPathOptions,
  ) {
    this.#stream = stream;
    this.#hot = hot;
    this.#options = options;
    this.#frame = new UnaryFrame(hot.requestBytesMax);
    this.#timeoutMs = timeoutOf(headers["grpc-timeout"], options.deadlineMs);
    const timeoutMs = typeof this.#timeoutMs === "number" ? this.#timeoutMs : 0;
    this.#context = new CallContext(hot.method, headers, connection, SYSTEM_CLOCK.monotonicMs() + timeoutMs);
  }

  begin(): void {
    const stream = this.#stream;
    stream.on("close", () => this.#gone());
    this.#guarded(() => {
      this.#options.admit();
      if (typeof this.#timeoutMs !== "number") throw this.#timeoutMs;
      if (this.#timeoutMs <= 0) throw deadlineExceeded();
      if (this.#timeoutMs < TIMER_MS_MAX) this.#timer = setTimeout(() => this.#late(), this.#timeoutMs);
      stream.on("data", (chunk: Buffer) => this.#data(chunk));
      stream.on("end", () => this.#guarded(() => this.#run()));
    });
  }

  #data(chunk: Buffer): void {
    if (this.#ended) return;
    const wrong = this.#frame.add(chunk);
    if (wrong !== undefined) this.#fail(new CallerFault(wrong));
  }

  #run(): void {
    if (this.#ended) return;
    const bytes = this.#frame.take();
    if (bytes instanceof ConnectError) throw new CallerFault(bytes);
    const answer = this.#hot.direct?.(bytes, this.#context, PREFIX_BYTES) ?? this.#invoke(bytes);
    if (answer instanceof Promise) {
      answer.then(
        (frame) => this.#guarded(() => this.#succeed(frame)),
        (error: unknown) => this.#fail(error),
      );
    } else {
      this.#succeed(answer);
    }
  }

  /** Through the method's messages, to the bytes of a frame. */
  #invoke(bytes: Uint8Array): Uint8Array | Promise<Uint8Array> {
    const { method } = this.#hot;
    const write = (message: Message) => framed(toBinary(method.output, message));
    const answer = this.#hot.invoke(this.#parse(bytes), this.#context);
    return answer instanceof Promise ? answer.then(write) : write(answer);
  }

  #parse(bytes: Uint8Array): Message {
    try {
      return fromBinary(this.#hot.method.input, bytes);
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      // INTERNAL is what gRPC says of a message that cannot be parsed, but it is the caller's fault and not reported.
      throw new CallerFault(new ConnectError(`parse binary: ${text}`, Code.Internal));
    }
  }

  #succeed(frame: Uint8Array): void {
    if (this.#ended) return;
    const { sentHeader, sentTrailer } = this.#context;
    this.#end();
    const stream = this.#stream;
    if (stream.destroyed || stream.closed) return;
    stream.respond(sentHeader === undefined ? OK_HEADERS : { ...plainOf(sentHeader), ...OK_HEADERS }, UNTIL_TRAILERS);
    if (sentTrailer === undefined) stream.on("wantTrailers", sendOk);
    else stream.on("wantTrailers", () => stream.sendTrailers({ ...plainOf(sentTrailer), ...OK_TRAILERS }));
    stream.end(prefixed(frame));
  }

  /** Never throws: it is what is left when anything else has. */
  #fail(error: unknown): void {
    if (this.#ended) return;
    const path = pathOf(this.#hot.method);
    const shown = error instanceof CallerFault ? error.shown : reported(error, path, this.#options.onInternalError);
    const { sentHeader, sentTrailer } = this.#context;
    this.#end(shown);
    const stream = this.#stream;
    try {
      if (stream.destroyed || stream.closed) return;
      const trailer = new Headers();
      if (sentTrailer !== undefined) mergeNonProtocolHeaders(trailer, sentTrailer);
      setTrailerStatus(trailer, shown);
      const header = sentHeader === undefined ? {} : plainOf(sentHeader);
      stream.respond({ ...header, ...plainOf(trailer), ...OK_HEADERS }, { endStream: true });
      lingerStream(stream);
    } catch {
      stream.destroy();
    }
  }

  #late(): void {
    this.#fail(deadlineExceeded());
  }

  /** The stream is closed: by us after the answer, or by the caller before it. */
  #gone(): void {
    if (!this.#ended) this.#end(callerGone());
  }

  #end(reason?: ConnectError): void {
    this.#ended = true;
    clearTimeout(this.#timer);
    this.#context.end(reason);
  }

  /** A throw inside a stream's listener would end the process. */
  #guarded(step: () => void): void {
    try {
      step();
    } catch (error) {
      if (this.#ended) this.#stream.destroy();
      else this.#fail(error);
    }
  }
}

/** Wraps an error that is the caller's although its code says otherwise. */
class CallerFault {
  readonly shown: ConnectError;

  constructor(shown: ConnectError) {
    this.shown = shown;
  }
}

function sendOk(this: ServerHttp2Stream): void {
  this.sendTrailers(OK_TRAILERS);
}

function timeoutOf(header: string | string[] | undefined, deadlineMs: number): number | ConnectError {
  if (header === undefined) return deadlineMs;
  const askedMs = grpcTimeoutMs(String(header));
  if (askedMs !== undefined) return Math.min(askedMs, deadlineMs);
  return new ConnectError(`protocol error: invalid grpc timeout value: ${String(header)}`, Code.InvalidArgument);
}

function plainOf(headers: Headers): Record<string, string> {
  return Object.fromEntries(headers);
}
