/** Waiting for a condition instead of for a time. */
import { setTimeout as delay } from "node:timers/promises";

export interface AwaitOptions {
  /** Told in the failure. */
  readonly what: string;
  /** Milliseconds until the wait fails; default 30,000. */
  readonly withinMs?: number;
  /** Milliseconds between two looks; default 25. */
  readonly everyMs?: number;
  /** Why waiting on is useless, once it is; ends the wait at once. */
  readonly hopeless?: () => string | undefined | Promise<string | undefined>;
  /** Added to the failure, read when it happens. */
  readonly detail?: () => string | Promise<string>;
}

/** Resolves to the first value that is neither `undefined` nor `false`; a throw counts as not yet. */
export async function awaitCondition<T>(
  look: () => T | undefined | false | Promise<T | undefined | false>,
  options: AwaitOptions,
): Promise<T> {
  const { what, withinMs = 30_000, everyMs = 25 } = options;
  const endMs = performance.now() + withinMs;
  let cause: unknown;
  for (;;) {
    try {
      const value = await look();
      if (value !== undefined && value !== false) return value;
    } catch (error) {
      cause = error;
    }
    const reason =
      (await options.hopeless?.()) ?? (performance.now() < endMs ? undefined : `not within ${withinMs} ms`);
    if (reason !== undefined) throw new Error(`${what}: ${reason}\n${(await options.detail?.()) ?? ""}`, { cause });
    await delay(everyMs);
  }
}
