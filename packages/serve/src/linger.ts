/**
 * What happens to a request that is answered before it has come whole: the rest is read and thrown away for a moment.
 * A reset or a closed socket right behind an early answer makes many clients lose the answer; reading on without end
 * would let a caller send forever.
 */
import type { IncomingMessage } from "node:http";
import type { ServerHttp2Stream } from "node:http2";

const LINGER_MS = 1000;
const LINGER_BYTES = 8 * 1024 * 1024;

/** To be called when the answer has been written. */
export function lingerStream(stream: ServerHttp2Stream): void {
  if (stream.readableEnded || stream.closed || stream.destroyed) return;
  const timer = setTimeout(() => stream.close(), LINGER_MS).unref();
  let left = LINGER_BYTES;
  stream.removeAllListeners("data");
  stream.on("data", (chunk: Buffer) => {
    left -= chunk.byteLength;
    if (left < 0) stream.close();
  });
  stream.once("close", () => clearTimeout(timer));
  stream.resume();
}

/** Returns what is to be called when the answer has been written. */
export function socketLingerer(request: IncomingMessage): () => void {
  // Taken now, because a request loses its socket when it ends.
  const { socket } = request;
  return () => {
    if (request.complete) return;
    const timer = setTimeout(() => {
      if (!request.complete) socket.destroySoon();
    }, LINGER_MS).unref();
    socket.once("close", () => clearTimeout(timer));
    // A reader that has given up would keep the request from flowing.
    request.removeAllListeners("readable");
    request.resume();
  };
}
