/** Collects the one message of a unary gRPC request from its chunks. Texts and codes are those of the Connect path. */
import { Code, ConnectError } from "@connectrpc/connect";

/** Before each message stand a byte of flags and four of length. */
export const PREFIX_BYTES = 5;
const COMPRESSED = 1;

export class UnaryFrame {
  readonly #bytesMax: number;
  #bytes: Uint8Array | undefined;
  #rest: Uint8Array[] | undefined;
  #size = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Takes a chunk. Returns what is wrong as soon as it shows, so that no more than one message is ever held. */
  add(chunk: Uint8Array): ConnectError | undefined {
    this.#size += chunk.byteLength;
    if (this.#bytes === undefined) this.#bytes = chunk;
    else {
      this.#rest ??= [];
      this.#rest.push(chunk);
    }
    if (this.#size < PREFIX_BYTES) return undefined;
    const length = lengthOf(this.#prefixed());
    if (length > this.#bytesMax) return tooLarge(length, this.#bytesMax);
    if (this.#size > PREFIX_BYTES + length) {
      return new ConnectError("protocol error: received extra input message for unary method", Code.Unimplemented);
    }
    return undefined;
  }

  /** The message, once the request has ended. It is held no longer here: what a call waits for may take a while. */
  take(): Uint8Array | ConnectError {
    if (this.#size === 0) {
      return new ConnectError("protocol error: missing input message for unary method", Code.Unimplemented);
    }
    const frame = this.#size < PREFIX_BYTES ? undefined : this.#whole();
    if (frame === undefined || this.#size < PREFIX_BYTES + lengthOf(frame)) {
      return new ConnectError("protocol error: incomplete envelope", Code.InvalidArgument);
    }
    if ((frame[0]! & COMPRESSED) !== 0) {
      return new ConnectError("received compressed envelope, but do not know how to decompress", Code.Internal);
    }
    this.#bytes = undefined;
    return frame.subarray(PREFIX_BYTES);
  }

  /** Bytes that hold at least the prefix. */
  #prefixed(): Uint8Array {
    return this.#bytes!.byteLength >= PREFIX_BYTES ? this.#bytes! : this.#whole();
  }

  #whole(): Uint8Array {
    if (this.#rest !== undefined) {
      this.#bytes = Buffer.concat([this.#bytes!, ...this.#rest], this.#size);
      this.#rest = undefined;
    }
    return this.#bytes!;
  }
}

function lengthOf(frame: Uint8Array): number {
  return ((frame[1]! << 24) | (frame[2]! << 16) | (frame[3]! << 8) | frame[4]!) >>> 0;
}

function tooLarge(size: number, bytesMax: number): ConnectError {
  const text = `message size ${size} is larger than configured readMaxBytes ${bytesMax}`;
  return new ConnectError(text, Code.ResourceExhausted);
}

/** A message with its prefix, ready to send. */
export function framed(message: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(PREFIX_BYTES + message.byteLength);
  frame.set(message, PREFIX_BYTES);
  return prefixed(frame);
}

/** Writes the prefix into the free bytes that stand before the message. */
export function prefixed(frame: Uint8Array): Buffer {
  const buffer = Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength);
  buffer[0] = 0;
  buffer.writeUInt32BE(buffer.byteLength - PREFIX_BYTES, 1);
  return buffer;
}
