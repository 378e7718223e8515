/** Keeps every open connection: its peer, its keepalive, its age, and its orderly end. */
import { constants, type ServerHttp2Session } from "node:http2";
import type { Socket } from "node:net";
import { type Connection, peerOfSocket } from "./connection.ts";
import { shuttingDown } from "./door.ts";
import type { ServeLimits } from "./limits.ts";

/** Largest stream number: "no new calls, but what is under way is taken", before the number that counts is known. */
const ANY_STREAM = 2 ** 31 - 1;
const WINDOW_BYTES = 1024 * 1024;
const GOLDEN_RATIO = 0.618033988749895;

interface Kept extends Connection {
  /** Tells the other end to go, lets calls finish, and cuts what is left after the grace. */
  retire(graceMs: number): void;
  cut(): void;
}

export class Connections {
  readonly #limits: ServeLimits;
  readonly #sessions = new Map<ServerHttp2Session, Kept>();
  readonly #sockets = new Map<Socket, Kept & { calls: number }>();
  readonly #emptied = new Set<() => void>();
  #accepted = 0;

  constructor(limits: ServeLimits) {
    this.#limits = limits;
  }

  /** Connection of an HTTP/2 session; a session that is already gone has an empty peer. */
  ofSession(session: ServerHttp2Session): Connection | undefined {
    return this.#sessions.get(session);
  }

  /** Connection of an HTTP/1.1 socket. */
  ofSocket(socket: Socket): Connection | undefined {
    return this.#sockets.get(socket);
  }

  keepSession(session: ServerHttp2Session): void {
    const retired = new AbortController();
    const open = new OpenStreams(session);
    const { keepaliveIntervalMs, connectionAgeGraceMs } = this.#limits;
    const timers = [
      every(keepaliveIntervalMs, () => this.#probe(session)),
      after(this.#nextAgeMs(), () => kept.retire(connectionAgeGraceMs)),
    ];
    const kept: Kept = {
      peer: peerOfSocket(session.socket as Socket),
      retired: retired.signal,
      retire: (graceMs) => {
        if (session.closed || session.destroyed) return;
        timers.push(after(graceMs, () => session.destroy()));
        this.#sayGoodbye(session, retired, open);
      },
      cut: () => session.destroy(),
    };
    this.#sessions.set(session, kept);
    session.on("error", () => {});
    session.once("close", () => {
      for (const timer of timers) clearTimeout(timer);
      this.#sessions.delete(session);
      this.#tellIfEmpty();
    });
    session.setLocalWindowSize(WINDOW_BYTES);
  }

  keepSocket(socket: Socket): void {
    const retired = new AbortController();
    let cutting: NodeJS.Timeout | undefined;
    const kept = {
      peer: peerOfSocket(socket),
      retired: retired.signal,
      calls: 0,
      retire: (graceMs: number) => {
        retired.abort(shuttingDown());
        if (kept.calls === 0) socket.destroySoon();
        else cutting = after(graceMs, () => socket.destroy());
      },
      cut: () => socket.destroy(),
    };
    this.#sockets.set(socket, kept);
    socket.once("close", () => {
      clearTimeout(cutting);
      this.#sockets.delete(socket);
      this.#tellIfEmpty();
    });
  }

  /** Brackets one HTTP/1.1 call, so that retirement closes a socket between calls and never inside one. */
  beginCall(socket: Socket): () => void {
    const kept = this.#sockets.get(socket);
    if (kept === undefined) return () => {};
    kept.calls += 1;
    return () => {
      kept.calls -= 1;
      if (kept.calls === 0 && kept.retired.aborted) socket.destroySoon();
    };
  }

  /** Resolves when the last connection is gone, at the latest a moment after the grace. */
  async retireAll(graceMs: number): Promise<void> {
    for (const kept of [...this.#sessions.values(), ...this.#sockets.values()]) kept.retire(graceMs);
    const cut = after(graceMs, () => {
      for (const kept of [...this.#sessions.values(), ...this.#sockets.values()]) kept.cut();
    });
    await this.#empty();
    clearTimeout(cut);
  }

  #empty(): Promise<void> {
    if (this.#sessions.size + this.#sockets.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#emptied.add(resolve));
  }

  #tellIfEmpty(): void {
    if (this.#sessions.size + this.#sockets.size > 0) return;
    for (const tell of this.#emptied) tell();
    this.#emptied.clear();
  }

  /**
   * Two GOAWAYs, a round trip apart: calls that were on their way when the first was sent still have a stream number
   * below the second, so they are answered and not lost. Only with calls under way: nghttp2 reads nothing more from a session
   * that has said GOAWAY and has no open stream, the answer to the ping included, so an idle session is closed at once.
   */
  #sayGoodbye(session: ServerHttp2Session, retired: AbortController, open: OpenStreams): void {
    const close = () => {
      clearTimeout(late);
      retired.abort(shuttingDown());
      if (!session.destroyed) session.close();
    };
    const late = after(this.#limits.keepaliveTimeoutMs, close);
    session.once("close", () => clearTimeout(late));
    if (open.count === 0) {
      close();
      return;
    }
    open.onNone = close;
    session.goaway(constants.NGHTTP2_NO_ERROR, ANY_STREAM);
    if (!session.ping(close)) close();
  }

  #probe(session: ServerHttp2Session): void {
    if (session.destroyed) return;
    const silent = after(this.#limits.keepaliveTimeoutMs, () => session.destroy());
    const sent = session.ping(() => clearTimeout(silent));
    if (!sent) clearTimeout(silent);
  }

  /** 0.9 to 1.1 of the age. The golden ratio spreads connections that came together more evenly than chance would. */
  #nextAgeMs(): number {
    this.#accepted += 1;
    return this.#limits.connectionAgeMs * (0.9 + 0.2 * ((this.#accepted * GOLDEN_RATIO) % 1));
  }
}

/** How many calls a session has under way. */
class OpenStreams {
  count = 0;
  onNone: (() => void) | undefined;

  constructor(session: ServerHttp2Session) {
    session.on("stream", (stream) => {
      this.count += 1;
      stream.once("close", () => {
        this.count -= 1;
        if (this.count === 0) this.onNone?.();
      });
    });
  }
}

function after(ms: number, run: () => void): NodeJS.Timeout {
  return setTimeout(run, Math.min(ms, 2 ** 31 - 1)).unref();
}

function every(ms: number, run: () => void): NodeJS.Timeout {
  return setInterval(run, Math.min(ms, 2 ** 31 - 1)).unref();
}
