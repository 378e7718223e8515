/** One port for gRPC, gRPC-Web, Connect and pages, with health, reflection and an orderly end. */
import { createServer as createHttp1Server } from "node:http";
import {
  createServer as createHttp2Server,
  type Http2Server,
  Http2ServerRequest,
  Http2ServerResponse,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import type { Interceptor } from "@connectrpc/connect";
import { type ConnectPath, connectPath } from "./connect-path.ts";
import { Connections } from "./connections.ts";
import { type OnInternalError, reported } from "./door.ts";
import { type FastPath, fastPath } from "./fast-path.ts";
import { type HealthState, healthService } from "./health.ts";
import { type Hot, type HotMethod, hotMethod } from "./hot-method.ts";
import { pathOf, requestBytesMaxOf, type ServeLimits, serveLimits } from "./limits.ts";
import { listen, type TlsFiles } from "./listener.ts";
import { EventLoopDelay, overloaded } from "./overload.ts";
import type { Page } from "./pages.ts";
import { reflectionServices } from "./reflection.ts";
import type { ServedService } from "./served-service.ts";
import { keepStreamsYoung } from "./stream-table.ts";

export interface ServerOptions {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  readonly tls?: TlsFiles;
  readonly reusePort?: boolean;
  /** What an operator chooses the address with, for errors. Default `--listen`. */
  readonly listenSetting?: string;
  readonly services: readonly ServedService[];
  readonly pages?: readonly Page[];
  /** Unary methods whose gRPC calls are answered by the fast handler. Default: none. */
  readonly hot?: readonly Hot[];
  /** Default true. False routes everything through Connect. */
  readonly fastPath?: boolean;
  readonly interceptors?: readonly Interceptor[];
  readonly limits?: Partial<ServeLimits>;
  readonly health: HealthState;
  readonly onInternalError: OnInternalError;
}

export interface RunningServer {
  readonly host: string;
  readonly port: number;
  /** Certificates for connections that come from now on. Throws ServeError and keeps the old ones when unusable. */
  replaceTls(tls: TlsFiles): void;
  /**
   * Health turns NOT_SERVING, no connection is taken, open ones are told to go away, calls under way are finished,
   * streams end UNAVAILABLE, and what is left after `graceMs` is cut. Resolves when the last connection is gone.
   */
  drain(graceMs: number): Promise<void>;
}

/** Rejects with ServeError, whose message is one line for an operator, when the port cannot be opened. */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const limits = serveLimits(options.limits);
  const loop = new EventLoopDelay(limits.eventLoopDelayMsMax);
  const connections = new Connections(limits);
  const { connect, fast } = paths(options, limits, () => {
    if (loop.overloaded) throw overloaded();
  });
  const http1 = http1Server(limits, connections, connect);
  const http2 = http2Server(limits, connections, { connect, fast }, options.onInternalError);
  const listener = await listen({
    ...options,
    limits,
    onConnection(socket, protocol) {
      if (protocol === "http1") connections.keepSocket(socket);
      (protocol === "http1" ? http1 : http2).emit("connection", socket);
    },
  }).catch((error: unknown) => {
    loop.stop();
    http1.close();
    throw error;
  });
  let drained: Promise<void> | undefined;
  return {
    host: listener.host,
    port: listener.port,
    replaceTls: (tls) => listener.replaceTls(tls),
    drain(graceMs) {
      drained ??= (async () => {
        options.health.setServing(false);
        listener.stop();
        await connections.retireAll(graceMs);
        http1.close();
        loop.stop();
      })();
      return drained;
    },
  };
}

interface Paths {
  readonly connect: ConnectPath;
  readonly fast: FastPath;
}

function paths(options: ServerOptions, limits: ServeLimits, admit: () => void): Paths {
  const { services, interceptors = [], onInternalError } = options;
  const health = healthService(
    options.health,
    services.map(({ desc }) => desc.typeName),
  );
  const unshed = [health, ...reflectionServices([...services, health])];
  const shared = { interceptors, limits, admit, onInternalError };
  return {
    connect: connectPath({ ...shared, services: [...services, ...unshed], unshed, pages: options.pages ?? [] }),
    fast: fastPath({ methods: hotMethods(options, limits), deadlineMs: limits.deadlineMs, admit, onInternalError }),
  };
}

function hotMethods(options: ServerOptions, limits: ServeLimits): HotMethod[] {
  if (options.fastPath === false) return [];
  const specs = options.services.flatMap(({ methods }) => methods);
  return (options.hot ?? []).map((hot) => {
    const { method } = hot;
    const spec = specs.find((one) => one.method === method);
    if (spec?.kind !== "unary") throw new TypeError(`${pathOf(method)} is not a unary method of a served service`);
    return hotMethod(spec, hot, requestBytesMaxOf(limits, method), options.interceptors ?? []);
  });
}

function http1Server(limits: ServeLimits, connections: Connections, path: ConnectPath) {
  const server = createHttp1Server({
    headersTimeout: limits.headersTimeoutMs,
    requestTimeout: limits.requestTimeoutMs,
    maxHeaderSize: limits.metadataBytesMax,
    connectionsCheckingInterval: Math.min(limits.headersTimeoutMs, 1000),
    keepAliveTimeout: limits.connectionAgeGraceMs,
  });
  server.on("request", (request, response) => {
    const connection = connections.ofSocket(request.socket);
    if (connection === undefined) return void response.destroy();
    response.once("close", connections.beginCall(request.socket));
    path(request, response, connection);
  });
  // This server is handed sockets and never listens; the event is what arms its timeouts on headers and requests.
  server.emit("listening");
  return server;
}

function http2Server(
  limits: ServeLimits,
  connections: Connections,
  paths: Paths,
  onInternalError: OnInternalError,
): Http2Server {
  const server = createHttp2Server({
    maxSessionMemory: limits.sessionMemoryMegabytesMax,
    streamResetBurst: limits.resetBurst,
    streamResetRate: limits.resetsPerSecond,
    // Node counts a stream until its object is gone, so a caller that reopens at once is over the limit without knowing.
    maxSessionRejectedStreams: limits.resetBurst,
    settings: {
      enablePush: false,
      maxConcurrentStreams: limits.streamsPerConnectionMax,
      maxHeaderListSize: limits.metadataBytesMax,
    },
  });
  server.on("session", (session) => {
    keepStreamsYoung(session);
    connections.keepSession(session);
  });
  server.on("sessionError", () => {});
  server.on("stream", (stream, headers, _flags, rawHeaders) => {
    stream.on("error", () => {});
    // A throw in here would end the process.
    try {
      route(stream, headers, rawHeaders, connections, paths);
    } catch (error) {
      stream.destroy();
      reported(error, headers[":path"] ?? "", onInternalError);
    }
  });
  return server;
}

function route(
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  rawHeaders: readonly string[],
  connections: Connections,
  { connect, fast }: Paths,
): void {
  const connection =
    stream.session === undefined ? undefined : connections.ofSession(stream.session as ServerHttp2Session);
  if (connection === undefined) {
    stream.close();
  } else if (!fast(stream, headers, connection)) {
    connect(new Http2ServerRequest(stream, headers, {}, rawHeaders), new Http2ServerResponse(stream), connection);
  }
}
