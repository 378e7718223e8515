/** Bounds how long a request body may take to arrive: a body that trickles must not hold a call past its deadline. */
import { deadlineExceeded } from "./public-error.ts";

/** Passes chunks on and throws DEADLINE_EXCEEDED when the last has not come within `timeoutMs` of the first read. */
export async function* timely<T>(body: AsyncIterable<T>, timeoutMs: number): AsyncIterable<T> {
  const late = Promise.withResolvers<never>();
  late.promise.catch(() => {});
  const timer = setTimeout(() => late.reject(deadlineExceeded()), timeoutMs);
  const iterator = body[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = iterator.next();
      // After a timeout the abandoned read ends with the stream, and its error is of no use to anybody.
      next.catch(() => {});
      const result = await Promise.race([next, late.promise]);
      if (result.done === true) return;
      yield result.value;
    }
  } finally {
    clearTimeout(timer);
  }
}
