/** fanout: reads its settings, makes the world, connects to the log, and relays it until it is told to stop. */
import { MemoryRevocationLog, type RevocationLog } from "@kavach/store";
import { RedisRevocationLog } from "@kavach/store-redis";
import { SYSTEM_CLOCK } from "@kavach/system";
import { type Logger, pino } from "pino";
import { type Config, ConfigError, readConfig, readTls } from "./config.ts";
import { type RunningFanout, startFanout } from "./fanout.ts";
import { openTelemetry } from "./telemetry.ts";

/** How long calls under way may take to end after SIGTERM, milliseconds. */
const DRAIN_MS = 20_000;
/** How long the log may take to answer at the start, milliseconds. */
const START_MS = 2500;

async function main(): Promise<void> {
  const config = readConfig(process.argv);
  const tls = readTls(config);
  const logger = pino({ level: config.logLevel, base: null });
  const exporter = openTelemetry();
  const log = await openLog(config, logger);
  const fanout = await startFanout({
    log,
    clock: SYSTEM_CLOCK,
    listen: config.listen,
    admin: { ...config.adminListen, exporter },
    ...(tls !== undefined && { tls }),
    heartbeatMs: config.heartbeatMs,
    leaseMs: config.leaseMs,
    events: {
      onOpened: (outcome, head) => logger.warn({ outcome, head }, "revocation log opened under a new generation"),
      onReading: (error) => {
        if (error === undefined) logger.info("the revocation log answers again");
        else logger.warn({ err: error }, "the revocation log does not answer; trying again");
      },
      onInternalError: (error, method) => logger.error({ err: error, method }, "call failed"),
    },
  });
  const kept = config.log === "memory" ? "memory" : "redis";
  if (kept === "memory")
    logger.warn("the revocation log is in this process's memory and ends with it: for a trial only");
  const at = { listen: address(fanout.main), admin: address(fanout.admin), log: kept };
  logger.info(at, `fanout is listening on ${at.listen}`);
  stopOnSignal(fanout, log, logger);
}

/** A log that cannot be reached at the start is a fault of the settings until shown otherwise; later it is waited for. */
async function openLog(config: Config, logger: Logger): Promise<RevocationLog> {
  if (config.log === "memory") return new MemoryRevocationLog(SYSTEM_CLOCK);
  return RedisRevocationLog.fromUrl(config.log, {
    connectTimeoutMs: START_MS,
    durable: config.durable,
    onError: (error: Error) => logger.debug({ err: error }, "connection to the revocation log"),
  });
}

function stopOnSignal(fanout: RunningFanout, log: RevocationLog, logger: Logger): void {
  let stopping = false;
  const stop = async (signal: string) => {
    if (stopping) return;
    stopping = true;
    logger.info({ signal }, "draining");
    await fanout.stop(DRAIN_MS);
    await log.close();
    logger.info("stopped");
  };
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.on(signal, () => {
      stop(signal).then(
        () => process.exit(0),
        (error: unknown) => {
          logger.error({ err: error }, "did not stop cleanly");
          process.exit(1);
        },
      );
    });
  }
}

function address(server: { readonly host: string; readonly port: number } | undefined): string {
  if (server === undefined) return "";
  return server.host.includes(":") ? `[${server.host}]:${server.port}` : `${server.host}:${server.port}`;
}

main().catch((error: unknown) => {
  // One line a fault, no stack: these are for the person who starts the service.
  const expected = error instanceof ConfigError || (error instanceof Error && "code" in error);
  process.stderr.write(
    expected ? `fanout: ${(error as Error).message}\n` : `fanout: ${(error as Error).stack ?? String(error)}\n`,
  );
  process.exit(1);
});
