/** One listening port: tells the protocol of each connection, by ALPN or by its first bytes, and hands it on. */
import { once } from "node:events";
import { createServer as createTcpServer, type Server, type Socket } from "node:net";
import {
  createServer as createTlsServer,
  type SecureContextOptions,
  type TLSSocket,
  type Server as TlsServer,
} from "node:tls";
import type { ServeLimits } from "./limits.ts";
import { cannotListen, ServeError } from "./serve-error.ts";

/** PEM text. With `clientCa` every caller must present a certificate that it has signed. */
export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
  readonly clientCa?: string;
}

export type Protocol = "http1" | "http2";

export interface ListenerOptions {
  readonly host: string;
  readonly port: number;
  readonly tls?: TlsFiles | undefined;
  /** Lets several processes share the port, the kernel spreading connections over them. */
  readonly reusePort?: boolean | undefined;
  /** What an operator chooses the address with, for errors. Default `--listen`. */
  readonly listenSetting?: string;
  readonly limits: ServeLimits;
  onConnection(socket: Socket, protocol: Protocol): void;
}

export interface Listener {
  readonly host: string;
  readonly port: number;
  /** New connections get the new certificates, open ones keep theirs. Throws ServeError and keeps the old ones when unusable. */
  replaceTls(tls: TlsFiles): void;
  /** Takes no further connection; open ones are not touched. */
  stop(): void;
}

export async function listen(options: ListenerOptions): Promise<Listener> {
  const { host, port, tls, limits } = options;
  const server = tls === undefined ? tcpServer(options) : tlsServer(tls, options);
  server.maxConnections = limits.connectionsMax;
  try {
    server.listen({ host, port, reusePort: options.reusePort === true });
    await once(server, "listening");
  } catch (error) {
    throw cannotListen(error as NodeJS.ErrnoException, host, port, options.listenSetting ?? "--listen");
  }
  server.on("error", () => {});
  const address = server.address();
  if (address === null || typeof address === "string") throw new ServeError("CANNOT_LISTEN", "no port was bound");
  return {
    host,
    port: address.port,
    replaceTls: (next) => {
      if (!("setSecureContext" in server)) throw new ServeError("TLS_UNUSABLE", "this server does not speak TLS");
      usable(() => (server as TlsServer).setSecureContext(secureContext(next)));
    },
    stop: () => void server.close(),
  };
}

function tcpServer({ limits, onConnection }: ListenerOptions): Server {
  return createTcpServer({ noDelay: true }, (socket) => {
    socket.on("error", () => socket.destroy());
    sniff(socket, limits, (protocol) => onConnection(socket, protocol));
  });
}

function tlsServer(tls: TlsFiles, { limits, onConnection }: ListenerOptions): TlsServer {
  const server = usable(() =>
    createTlsServer({
      ...secureContext(tls),
      ALPNProtocols: ["h2", "http/1.1"],
      minVersion: "TLSv1.2",
      handshakeTimeout: limits.headersTimeoutMs,
      requestCert: tls.clientCa !== undefined,
      rejectUnauthorized: tls.clientCa !== undefined,
      noDelay: true,
    }),
  );
  server.on("secureConnection", (socket: TLSSocket) => {
    socket.on("error", () => socket.destroy());
    if (socket.alpnProtocol === "h2") onConnection(socket, "http2");
    // Waited for, because the HTTP/1.1 server takes the first silence of a connection for slow headers, and clients keep connections in
    // stock that they have not used yet.
    else {
      sniff(socket, limits, () => {
        onConnection(socket, "http1");
        feedByEvents(socket);
      });
    }
  });
  // A handshake that fails is the caller's matter; its socket is already destroyed.
  server.on("tlsClientError", () => {});
  return server;
}

/**
 * Node's HTTP/1.1 server reads straight from the socket's handle, and pauses its parser while a long answer is still being sent. A handle
 * of TLS that has decrypted several records hands them all on nevertheless, and a paused parser takes the second for a fault
 * (`HPE_PAUSED`): the connection was cut, in the middle of a client's next call. Where somebody listens to the data, the server
 * lets it come as events instead, which do stop.
 */
function feedByEvents(socket: TLSSocket): void {
  socket.on("data", () => {});
}

function secureContext({ cert, key, clientCa }: TlsFiles): SecureContextOptions {
  return { cert, key, ...(clientCa === undefined ? {} : { ca: clientCa }) };
}

function usable<T>(make: () => T): T {
  try {
    return make();
  } catch (error) {
    throw new ServeError("TLS_UNUSABLE", "the TLS certificate, key or client authority cannot be used", {
      cause: error,
    });
  }
}

/** An HTTP/2 preface opens with `PRI`; no HTTP/1.1 method does. */
const PREFACE = Buffer.from("PRI");

/** Undefined while what has come could still become either. */
export function protocolOf(bytes: Uint8Array): Protocol | undefined {
  const length = Math.min(bytes.byteLength, PREFACE.byteLength);
  if (!PREFACE.subarray(0, length).equals(bytes.subarray(0, length))) return "http1";
  return length === PREFACE.byteLength ? "http2" : undefined;
}

/** Until its first byte a connection is idle, as it is between two requests; from then on it has as long as headers have. */
function sniff(
  socket: Socket,
  { connectionAgeGraceMs, headersTimeoutMs }: ServeLimits,
  then: (protocol: Protocol) => void,
): void {
  let seen: Buffer = Buffer.alloc(0);
  // With a farewell: a client that was about to use the connection can tell this end from a broken one.
  const endAfter = (ms: number) => setTimeout(() => socket.destroySoon(), Math.min(ms, 2 ** 31 - 1));
  let timer = endAfter(connectionAgeGraceMs);
  const stop = () => {
    clearTimeout(timer);
    socket.off("data", look);
    socket.off("close", stop);
  };
  const look = (chunk: Buffer) => {
    if (seen.byteLength === 0) {
      clearTimeout(timer);
      timer = endAfter(headersTimeoutMs);
    }
    seen = seen.byteLength === 0 ? chunk : Buffer.concat([seen, chunk]);
    const protocol = protocolOf(seen);
    if (protocol === undefined) return;
    stop();
    socket.pause();
    socket.unshift(seen);
    then(protocol);
    // An HTTP/2 session takes what was put back by itself, and would lose it if it flowed.
    if (protocol === "http1") socket.resume();
  };
  socket.on("data", look);
  socket.once("close", stop);
  socket.once("end", () => socket.end());
}
