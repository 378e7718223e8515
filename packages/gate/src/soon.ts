/** Values that may have to be waited for. What is known at once is passed on at once: a decision that needs no I/O makes no detour through the event loop. */

export type Soon<T> = T | Promise<T>;

/** `go` with the value: now, or when it is there. */
export function after<T, U>(value: Soon<T>, go: (value: T) => Soon<U>): Soon<U> {
  return value instanceof Promise ? value.then(go) : go(value);
}
