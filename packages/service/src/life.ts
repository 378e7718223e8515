/** The life of a service's process: it starts, it stops once on a signal, and it says in plain words why it could not. */
import { type Logger, pino } from "pino";

/**
 * JSON lines on standard output, through the stream that Node has for it: pino's own writer waits without end, and the process with
 * it, when nobody reads the other end any more. Lines that nobody reads are lost; the service goes on and can be stopped.
 */
export function openLogger(level: string): Logger {
  process.stdout.on("error", () => {});
  return pino({ level, base: null }, process.stdout);
}

export interface Started {
  readonly logger: Logger;
  /** Finishes what is under way and lets go of everything. */
  stop(): Promise<void>;
}

/** Past this the process ends with whatever it still holds: an orchestrator would kill it soon after. */
const STOP_MS_MAX = 25_000;

/** Starts and stays until SIGTERM or SIGINT. A start that fails prints its reason and exits with 1. */
export function runService(name: string, start: () => Promise<Started>): void {
  start().then(
    (started) => stopOnSignal(started),
    (error: unknown) => {
      // An error with a code is for the person who starts the service, one line a fault; any other is a fault of the program.
      const expected = error instanceof Error && "code" in error;
      const text = error instanceof Error ? (expected ? error.message : error.stack) : String(error);
      process.stderr.write(`${name}: ${text}\n`);
      process.exit(1);
    },
  );
}

function stopOnSignal({ logger, stop }: Started): void {
  let stopping = false;
  const end = async (signal: string) => {
    if (stopping) return;
    stopping = true;
    logger.info({ signal }, "draining");
    const overdue = setTimeout(() => {
      logger.error("did not stop in time");
      process.exit(1);
    }, STOP_MS_MAX);
    await stop();
    clearTimeout(overdue);
    logger.info("stopped");
  };
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.on(signal, () => {
      end(signal).then(
        () => process.exit(0),
        (error: unknown) => {
          logger.error({ err: error }, "did not stop cleanly");
          process.exit(1);
        },
      );
    });
  }
}

/** `host:port`, with an IPv6 host in brackets. */
export function addressText({ host, port }: { readonly host: string; readonly port: number }): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
