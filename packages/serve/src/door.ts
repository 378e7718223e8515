/** The outermost interceptor of the Connect path: deadlines that bind, streams that end on retirement, errors made public. */
import { Code, ConnectError, type Interceptor, type StreamRequest, type UnaryRequest } from "@connectrpc/connect";
import { connectionKey } from "./connection.ts";
import { publicError } from "./public-error.ts";

/** Told of every error that reaches a caller as INTERNAL or UNKNOWN. `method` is its path. */
export type OnInternalError = (error: unknown, method: string) => void;

export function reported(error: unknown, method: string, onInternalError: OnInternalError): ConnectError {
  const shown = publicError(error);
  if (shown.code === Code.Internal || shown.code === Code.Unknown) {
    try {
      onInternalError(shown === error ? error : (shown.cause ?? error), method);
    } catch {
      // A reporter that fails must not change what the caller gets.
    }
  }
  return shown;
}

export function door(onInternalError: OnInternalError): Interceptor {
  return (next) => async (request) => {
    const path = `/${request.service.typeName}/${request.method.name}`;
    try {
      if (!request.stream) return await unlessAborted(next(request), request.signal);
      const { input, ended } = retiring(request);
      const response = await next({ ...request, message: input });
      if (!response.stream) return response;
      return { ...response, message: shown(response.message, ended, path, onInternalError) };
    } catch (error) {
      throw reported(error, path, onInternalError);
    }
  };
}

/** An implementation that does not watch its signal must not hold the caller past the deadline. */
function unlessAborted<T>(answer: Promise<T>, signal: UnaryRequest["signal"]): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason instanceof ConnectError ? signal.reason : callerGone());
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    answer
      .then(resolve, reject)
      .finally(() => signal.removeEventListener("abort", abort))
      .catch(() => {});
  });
}

/**
 * What a caller still sends after retirement is not read: the implementation sees the end of its input, answers all
 * that it has read, and ends. Without this a long stream would hold its connection until it is cut with work in it.
 */
function retiring(request: StreamRequest): { input: StreamRequest["message"]; ended: () => boolean } {
  const { retired } = request.contextValues.get(connectionKey);
  const kind = request.method.methodKind;
  if (kind === "server_streaming") return { input: request.message, ended: () => retired.aborted };
  let cut = false;
  const input = untilRetired(request.message, retired, () => {
    cut = true;
  });
  return { input, ended: () => cut };
}

async function* untilRetired<T>(messages: AsyncIterable<T>, retired: AbortSignal, onCut: () => void): AsyncIterable<T> {
  const iterator = messages[Symbol.asyncIterator]();
  // One waiter at a time. Racing every message against one promise of the stream's length would keep every race.
  let cut = () => {};
  const leave = () => cut();
  retired.addEventListener("abort", leave, { once: true });
  try {
    for (;;) {
      const result = await new Promise<IteratorResult<T> | undefined>((resolve, reject) => {
        cut = () => resolve(undefined);
        if (retired.aborted) cut();
        else iterator.next().then(resolve, reject);
      });
      if (result === undefined) {
        onCut();
        return;
      }
      if (result.done === true) return;
      yield result.value;
    }
  } finally {
    retired.removeEventListener("abort", leave);
  }
}

async function* shown<T>(
  messages: AsyncIterable<T>,
  ended: () => boolean,
  path: string,
  onInternalError: OnInternalError,
): AsyncIterable<T> {
  try {
    yield* messages;
  } catch (error) {
    if (!ended()) throw reported(error, path, onInternalError);
  }
  if (ended()) throw shuttingDown();
}

export function callerGone(): ConnectError {
  return new ConnectError("the caller is gone", Code.Canceled);
}

export function shuttingDown(): ConnectError {
  return new ConnectError("the server is going away; call again on a new connection", Code.Unavailable);
}
