/** The chunks of a request body, read so that giving up on them leaves the request, and the answer to it, alone. */
import type { Readable } from "node:stream";

/**
 * A stream's own iterator destroys the stream when its reader leaves early or fails, and a request takes the socket
 * with it on which the answer goes out. This one can only be read.
 */
export function bodyOf(request: Readable): AsyncIterable<Uint8Array> {
  const chunks: AsyncIterator<Uint8Array> = request.iterator({ destroyOnReturn: false });
  return { [Symbol.asyncIterator]: () => ({ next: () => chunks.next() }) };
}
