/** Typed calls over a channel, from a service's descriptor. */
import {
  create,
  type DescMessage,
  type DescMethod,
  type DescMethodBiDiStreaming,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  type DescService,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { type CallOptions as GrpcCallOptions, Metadata, type ServiceError, status } from "@grpc/grpc-js";
import type { Channel } from "./channel.ts";
import { type RpcCode, RpcError } from "./errors.ts";
import { violationsIn } from "./status-details.ts";

export interface CallOptions {
  /** Milliseconds until the call fails with DEADLINE_EXCEEDED. Absent: none. */
  readonly deadlineMs?: number;
  /** Aborting it ends the call with CANCELLED. */
  readonly signal?: AbortSignal;
  /** Text headers of the request. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** Messages as they come; iterating ends with the stream, or throws `RpcError`. Leaving the loop cancels the call. */
export interface ServerStream<Response> extends AsyncIterable<Response> {
  cancel(): void;
}

export interface BidiStream<Request, Response> extends ServerStream<Response> {
  /** Resolves when the channel can take more. Rejects with `RpcError` when the stream is over. */
  send(request: Request): Promise<void>;
  /** Says that no more requests come. */
  end(): void;
}

type Call<Method> =
  Method extends DescMethodUnary<infer I, infer O>
    ? (request: MessageInitShape<I>, options?: CallOptions) => Promise<MessageShape<O>>
    : Method extends DescMethodServerStreaming<infer I, infer O>
      ? (request: MessageInitShape<I>, options?: CallOptions) => ServerStream<MessageShape<O>>
      : Method extends DescMethodBiDiStreaming<infer I, infer O>
        ? (options?: CallOptions) => BidiStream<MessageInitShape<I>, MessageShape<O>>
        : never;

/** One function per method, under the method's name in the descriptor. */
export type GrpcService<Service extends DescService> = {
  readonly [Name in keyof Service["method"]]: Call<Service["method"][Name]>;
};

/** Every failure of a call is an `RpcError`. Client streaming is not offered: the contract has none. */
export function grpcServiceOf<Service extends DescService>(service: Service, channel: Channel): GrpcService<Service> {
  const calls: Record<string, unknown> = {};
  for (const method of service.methods) {
    switch (method.methodKind) {
      case "unary":
        calls[method.localName] = unary(method, channel);
        break;
      case "server_streaming":
        calls[method.localName] = serverStream(method, channel);
        break;
      case "bidi_streaming":
        calls[method.localName] = bidiStream(method, channel);
        break;
    }
  }
  return calls as GrpcService<Service>;
}

function unary(method: DescMethod, channel: Channel) {
  const { path, write, read } = codecOf(method);
  return (request: MessageInitShape<DescMessage>, options: CallOptions = {}) =>
    new Promise<MessageShape<DescMessage>>((resolve, reject) => {
      if (options.signal?.aborted === true)
        throw new RpcError("CANCELLED", "the call was cancelled before it began", []);
      const call = channel.client.makeUnaryRequest(
        path,
        write,
        read,
        create(method.input, request),
        metadataOf(options),
        grpcOptions(channel, options),
        (error, response) => {
          unbind();
          if (error !== null) reject(rpcError(error));
          else if (response === undefined) reject(new RpcError("INTERNAL", "the answer is empty", []));
          else resolve(response);
        },
      );
      const unbind = cancelOnAbort(call, options.signal);
    });
}

function serverStream(method: DescMethod, channel: Channel) {
  const { path, write, read } = codecOf(method);
  return (
    request: MessageInitShape<DescMessage>,
    options: CallOptions = {},
  ): ServerStream<MessageShape<DescMessage>> => {
    const message = create(method.input, request);
    const call = channel.client.makeServerStreamRequest(
      path,
      write,
      read,
      message,
      metadataOf(options),
      grpcOptions(channel, options),
    );
    return streamOf(call, options);
  };
}

function bidiStream(method: DescMethod, channel: Channel) {
  const { path, write, read } = codecOf(method);
  return (options: CallOptions = {}): BidiStream<MessageInitShape<DescMessage>, MessageShape<DescMessage>> => {
    const call = channel.client.makeBidiStreamRequest(
      path,
      write,
      read,
      metadataOf(options),
      grpcOptions(channel, options),
    );
    const stream = streamOf<MessageShape<DescMessage>>(call, options);
    return {
      ...stream,
      send: (request) =>
        new Promise((resolve, reject) => {
          call.write(create(method.input, request), (error: Error | null | undefined) => {
            if (error) reject(rpcError(error));
            else resolve();
          });
        }),
      end: () => call.end(),
    };
  };
}

interface ReadableCall extends AsyncIterable<unknown> {
  cancel(): void;
  on(event: "error", listener: (error: Error) => void): unknown;
  once(event: "close", listener: () => void): unknown;
}

function streamOf<Response>(call: ReadableCall, options: CallOptions): ServerStream<Response> {
  // Without a listener of its own an error that comes while nobody reads would end the process.
  call.on("error", () => {});
  call.once("close", cancelOnAbort(call, options.signal));
  return {
    cancel: () => call.cancel(),
    async *[Symbol.asyncIterator]() {
      try {
        for await (const message of call) yield message as Response;
      } catch (error) {
        throw rpcError(error);
      } finally {
        call.cancel();
      }
    },
  };
}

function codecOf(method: DescMethod) {
  return {
    path: `/${method.parent.typeName}/${method.name}`,
    write: (message: MessageShape<DescMessage>): Buffer => {
      const bytes = toBinary(method.input, message);
      return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    },
    read: (bytes: Buffer): MessageShape<DescMessage> => fromBinary(method.output, bytes),
  };
}

function metadataOf(options: CallOptions): Metadata {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(options.headers ?? {})) metadata.set(name, value);
  return metadata;
}

function grpcOptions(channel: Channel, options: CallOptions): GrpcCallOptions {
  return options.deadlineMs === undefined ? {} : { deadline: channel.clock.nowMs() + options.deadlineMs };
}

/** Returns what takes the listener away again. */
function cancelOnAbort(call: { cancel(): void }, signal: AbortSignal | undefined): () => void {
  if (signal === undefined) return () => {};
  const cancel = () => call.cancel();
  if (signal.aborted) cancel();
  else signal.addEventListener("abort", cancel, { once: true });
  return () => signal.removeEventListener("abort", cancel);
}

/** Whatever grpc-js throws, as one class. */
export function rpcError(error: unknown): RpcError {
  if (error instanceof RpcError) return error;
  if (!isServiceError(error)) {
    const message = error instanceof Error ? error.message : String(error);
    return new RpcError(error instanceof Error && error.name === "AbortError" ? "CANCELLED" : "UNKNOWN", message, [], {
      cause: error,
    });
  }
  const code = status[error.code] as RpcCode | undefined;
  const details = error.metadata.get("grpc-status-details-bin")[0];
  const violations = typeof details === "object" ? violationsIn(details) : [];
  return new RpcError(code ?? "UNKNOWN", error.details, violations, { cause: error });
}

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && "code" in error && typeof error.code === "number" && "metadata" in error;
}
