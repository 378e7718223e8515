/** What goes wrong again and again is said once a second, with how often: a dependency that is gone must not turn into a flood of lines. */
import type { Logger } from "pino";

export type Report = (error: unknown, what: string) => void;

/** Milliseconds between two lines that say the same. */
const QUIET_MS = 1000;

interface Repeated {
  times: number;
  last: unknown;
}

/** Warns through the logger. The first of its kind is said at once; those of the second after it are one line at the end of that second. */
export function openReport(logger: Pick<Logger, "warn">): Report {
  const quiet = new Map<string, Repeated>();
  const listen = (kind: string, what: string) => {
    const repeated: Repeated = { times: 0, last: undefined };
    quiet.set(kind, repeated);
    setTimeout(() => {
      quiet.delete(kind);
      if (repeated.times === 0) return;
      logger.warn({ err: repeated.last, times: repeated.times }, what);
      listen(kind, what);
    }, QUIET_MS).unref();
  };
  return (error, what) => {
    const kind = `${what}\0${(error as { readonly code?: unknown } | undefined)?.code}`;
    const repeated = quiet.get(kind);
    if (repeated !== undefined) {
      repeated.times++;
      repeated.last = error;
      return;
    }
    logger.warn({ err: error }, what);
    listen(kind, what);
  };
}
