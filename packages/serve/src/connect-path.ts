/** Everything but the fast path: gRPC, gRPC-Web and Connect in all their forms, and pages, over HTTP/1.1 and HTTP/2. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import { createRegistry } from "@bufbuild/protobuf";
import {
  Code,
  ConnectError,
  type ConnectRouter,
  createConnectRouter,
  createContextValues,
  type Interceptor,
} from "@connectrpc/connect";
import type { UniversalHandler } from "@connectrpc/connect/protocol";
import {
  compressionGzip,
  universalRequestFromNodeRequest,
  universalResponseToNodeResponse,
} from "@connectrpc/connect-node";
import { type Connection, connectionKey } from "./connection.ts";
import { door, type OnInternalError } from "./door.ts";
import { deadlineMsOf, requestBytesMaxOf, type ServeLimits } from "./limits.ts";
import { lingerStream, socketLingerer } from "./linger.ts";
import { answerPage } from "./page-path.ts";
import type { Page } from "./pages.ts";
import { bodyOf } from "./request-body.ts";
import type { ServedService } from "./served-service.ts";
import { timely } from "./timely.ts";
import { connectTimeoutMs, grpcTimeoutMs } from "./timeouts.ts";

export type NodeRequest = IncomingMessage | Http2ServerRequest;
export type NodeResponse = ServerResponse | Http2ServerResponse;

export interface ConnectPathOptions {
  readonly services: readonly ServedService[];
  /** Services that are answered even under overload: who asks whether a server lives must hear it. */
  readonly unshed: readonly ServedService[];
  readonly pages: readonly Page[];
  readonly interceptors: readonly Interceptor[];
  readonly limits: ServeLimits;
  /** Throws when no further call is to be taken. */
  readonly admit: () => void;
  readonly onInternalError: OnInternalError;
}

/** Never throws and never rejects. */
export type ConnectPath = (request: NodeRequest, response: NodeResponse, connection: Connection) => void;

export function connectPath(options: ConnectPathOptions): ConnectPath {
  const { limits, onInternalError } = options;
  const handlers = new Map<string, UniversalHandler>();
  for (const handler of routerOf(options).handlers) handlers.set(handler.requestPath, handler);
  const pages = new Map(options.pages.map((page) => [page.path, page]));

  async function answer(request: NodeRequest, response: NodeResponse, connection: Connection): Promise<void> {
    const path = request.url?.split("?", 1)[0] ?? "";
    const handler = handlers.get(path);
    if (handler !== undefined) return call(handler, request, response, connection, limits);
    const page = pages.get(path);
    if (page !== undefined) return answerPage(page, request, response, connection, limits, onInternalError);
    notFound(request, response);
  }

  return (request, response, connection) => {
    // An HTTP/2 response calls itself finished only when its stream is closed, so the stream is asked.
    if ("stream" in request) request.stream.once("finish", () => lingerStream(request.stream));
    else response.once("finish", socketLingerer(request));
    answer(request, response, connection).catch((error: unknown) => {
      const gone = error instanceof ConnectError && (error.code === Code.Aborted || error.code === Code.Canceled);
      if (!gone) report(error, request.url ?? "", onInternalError);
      giveUp(response, error);
    });
  };
}

function routerOf({
  services,
  unshed,
  interceptors,
  limits,
  admit,
  onInternalError,
}: ConnectPathOptions): ConnectRouter {
  const router = createConnectRouter({
    acceptCompression: [compressionGzip],
    // Requests may come compressed. Answers leave as they are: a permit is signatures and hashes, which no compression makes shorter.
    compressMinBytes: Number.MAX_SAFE_INTEGER,
    interceptors: [door(onInternalError), ...interceptors],
    // Unknown JSON fields are refused: an ignored option is a silent downgrade.
    jsonOptions: { ignoreUnknownFields: false, registry: createRegistry(...services.map(({ desc }) => desc.file)) },
  });
  for (const service of services) {
    const requestGate = unshed.includes(service) ? {} : { requestGate: admit };
    for (const { method, impl } of service.methods) {
      router.rpc(method, impl as never, { readMaxBytes: requestBytesMaxOf(limits, method), ...requestGate });
    }
  }
  return router;
}

async function call(
  handler: UniversalHandler,
  request: NodeRequest,
  response: NodeResponse,
  connection: Connection,
  limits: ServeLimits,
): Promise<void> {
  const contextValues = createContextValues().set(connectionKey, connection);
  const universal = universalRequestFromNodeRequest(
    request as IncomingMessage,
    response as ServerResponse,
    undefined,
    contextValues,
  );
  const body = bodyOf(request);
  const deadlineMs = deadlineMsOf(limits, handler.method);
  universal.body = body;
  switch (handler.method.methodKind) {
    case "unary":
      if (Number.isFinite(deadlineMs)) {
        universal.header = capDeadline(universal.header, deadlineMs);
        universal.body = timely(body, deadlineMs);
      }
      break;
    case "server_streaming":
      universal.signal = AbortSignal.any([universal.signal, connection.retired]);
      break;
  }
  const answer = await handler(universal);
  if (connection.retired.aborted && !("stream" in response)) response.shouldKeepAlive = false;
  await universalResponseToNodeResponse(answer, response as ServerResponse);
}

/** Connect refuses a deadline that is too long; the wire says that it is cut to the server's. */
function capDeadline(header: Headers, deadlineMs: number): Headers {
  const isGrpc = header.get("content-type")?.startsWith("application/grpc") === true;
  const [name, unit] = isGrpc ? ["grpc-timeout", "m"] : ["connect-timeout-ms", ""];
  const asked = header.get(name);
  const askedMs = asked === null ? Number.POSITIVE_INFINITY : isGrpc ? grpcTimeoutMs(asked) : connectTimeoutMs(asked);
  // What cannot be read stays, so that the protocol's own error is answered.
  if (askedMs !== undefined && askedMs > deadlineMs) header.set(name, `${Math.ceil(deadlineMs)}${unit}`);
  return header;
}

function notFound(request: NodeRequest, response: NodeResponse): void {
  const type = request.headers["content-type"] ?? "";
  if ("stream" in response && /^application\/grpc(\+\w+)?$/.test(type)) {
    const status = { "grpc-status": String(Code.Unimplemented), "grpc-message": "unknown method" };
    response.stream.respond({ ":status": 200, "content-type": type, ...status }, { endStream: true });
    return;
  }
  (response as ServerResponse).writeHead(404, { "content-length": 0 }).end();
}

function report(error: unknown, path: string, onInternalError: OnInternalError): void {
  try {
    onInternalError(error, path);
  } catch {
    // There is nobody left to tell.
  }
}

/** The last resort: what could not be answered in its own protocol gets a bare status, or its stream cut. */
function giveUp(response: NodeResponse, error: unknown): void {
  try {
    if (response.headersSent || response.destroyed) response.destroy();
    else (response as ServerResponse).writeHead(statusOf(error), { "content-length": 0 }).end();
  } catch {
    response.destroy();
  }
}

function statusOf(error: unknown): number {
  return error instanceof TypeError && "code" in error && error.code === "ERR_INVALID_URL" ? 400 : 500;
}
