/** Wires one fan-out over a log: opener, tail, heads, service, ports. */
import { InvalidationService } from "@kavach/api";
import type { Clock, Revision } from "@kavach/model";
import { HealthState, type RunningServer, serviceOf, startAdminServer, startServer } from "@kavach/serve";
import type { RevocationLog } from "@kavach/store";
import type { PrometheusExporter } from "@opentelemetry/exporter-prometheus";
import { FreshHead } from "./fresh-head.ts";
import { invalidationService } from "./invalidation-service.ts";
import { LogOpener, type OpenOutcome } from "./log-opener.ts";
import { LogTail } from "./log-tail.ts";
import { FanoutMetrics } from "./telemetry.ts";

export interface FanoutOptions {
  readonly log: RevocationLog;
  readonly clock: Clock;
  readonly listen: { readonly host: string; readonly port: number };
  readonly tls?: { readonly cert: string; readonly key: string; readonly clientCa?: string };
  /** Absent: no admin port. */
  readonly admin?: { readonly host: string; readonly port: number; readonly exporter: PrometheusExporter };
  readonly heartbeatMs: number;
  readonly leaseMs: number;
  /** Records that may wait for one watcher. Default 10,000. */
  readonly queueMax?: number;
  readonly events: FanoutEvents;
}

export interface FanoutEvents {
  /** The log was opened under a new generation. */
  onOpened(outcome: OpenOutcome, head: Revision): void;
  /** A reading of the log failed; undefined: it succeeds again. */
  onReading(error: unknown): void;
  onInternalError(error: unknown, method: string): void;
}

export interface RunningFanout {
  readonly main: RunningServer;
  readonly admin: RunningServer | undefined;
  /** Turns away new calls, ends watches with a resumable error, and finishes the others within `graceMs`. The log is left open. */
  stop(graceMs: number): Promise<void>;
}

const QUEUE_MAX = 10_000;
/** What an `Invalidate` may take beside the lease it waits out, milliseconds. */
const CALL_MS = 2000;
/** A tail older than this makes the fan-out not ready, milliseconds. */
const READY_AGE_MS_MAX = 3000;

/** Rejects with UnavailableError when the log does not answer, and with ServeError when a port cannot be opened. */
export async function startFanout(options: FanoutOptions): Promise<RunningFanout> {
  const { log, clock, heartbeatMs, leaseMs, events } = options;
  const metrics = new FanoutMetrics();
  const opener = new LogOpener(log, (outcome, head) => {
    metrics.opened(outcome);
    events.onOpened(outcome, head);
  });
  await opener.open();
  const tail = new LogTail({ log, opener, clock, onReading: events.onReading });
  metrics.observeHead(() => tail.position);
  await tail.catchUp();
  tail.start();
  const heads = new FreshHead(log, opener);
  const queueMax = options.queueMax ?? QUEUE_MAX;
  const service = invalidationService({ log, opener, tail, clock, heartbeatMs, queueMax, heads, metrics, leaseMs });
  const health = new HealthState();
  const shared = { health, onInternalError: events.onInternalError };
  try {
    const admin = await openAdmin(options, tail, shared);
    const main = await startServer({
      ...options.listen,
      ...(options.tls !== undefined && { tls: options.tls }),
      services: [serviceOf(InvalidationService, service)],
      limits: { deadlineMs: leaseMs + CALL_MS },
      ...shared,
    });
    health.setServing(true);
    return { main, admin, stop: (graceMs) => stop(main, admin, tail, graceMs) };
  } catch (error) {
    await tail.stop();
    throw error;
  }
}

async function openAdmin(
  { admin }: FanoutOptions,
  tail: LogTail,
  shared: { readonly health: HealthState; onInternalError(error: unknown, method: string): void },
): Promise<RunningServer | undefined> {
  if (admin === undefined) return undefined;
  const { host, port, exporter } = admin;
  const isReady = () => {
    if (!shared.health.serving) return "draining";
    return tail.ageMs <= READY_AGE_MS_MAX || "the revocation log does not answer";
  };
  return startAdminServer({
    host,
    port,
    isLive: () => true,
    isReady,
    metrics: exporter,
    ...shared,
    health: new HealthState(),
  });
}

async function stop(
  main: RunningServer,
  admin: RunningServer | undefined,
  tail: LogTail,
  graceMs: number,
): Promise<void> {
  await main.drain(graceMs);
  await tail.stop();
  await admin?.drain(0);
}
