/** What is known of one accepted connection, and how a call reaches it. */
import type { Socket } from "node:net";
import type { PeerCertificate, TLSSocket } from "node:tls";
import { createContextKey, type HandlerContext } from "@connectrpc/connect";

export interface Peer {
  /** Address of the other end as the kernel reports it; empty when it is already gone. */
  readonly address: string;
  /** Certificate of the other end, verified against the configured authority; absent without mutual TLS. */
  readonly certificate: PeerCertificate | undefined;
}

export interface Connection {
  readonly peer: Peer;
  /** Fires once when the connection is told to go away: streams should come to their end, unary calls go on. */
  readonly retired: AbortSignal;
}

const NOBODY: Connection = {
  peer: { address: "", certificate: undefined },
  retired: new AbortController().signal,
};

export const connectionKey = createContextKey<Connection>(NOBODY, { description: "connection of the call" });

/** The other end of the connection that a call came on. */
export function peerOf(context: Pick<HandlerContext, "values">): Peer {
  return context.values.get(connectionKey).peer;
}

export function peerOfSocket(socket: Socket | TLSSocket): Peer {
  return { address: socket.remoteAddress ?? "", certificate: certificateOf(socket) };
}

function certificateOf(socket: Socket | TLSSocket): PeerCertificate | undefined {
  // What an HTTP/2 session gives for its socket has the socket's members, but denies that it has them.
  const { authorized, getPeerCertificate } = socket as Partial<TLSSocket>;
  if (authorized !== true || getPeerCertificate === undefined) return undefined;
  const certificate = getPeerCertificate.call(socket);
  // Without a certificate Node answers with an empty object.
  return Object.keys(certificate).length === 0 ? undefined : certificate;
}
