/** fanout: reads its settings, makes the world, connects to the log, and relays it until it is told to stop. */
import {
  addressText,
  openLogger,
  openReport,
  openTelemetry,
  readTls,
  runService,
  type Started,
  watchTls,
} from "@kavach/service";
import { MemoryRevocationLog, type RevocationLog } from "@kavach/store";
import { RedisRevocationLog } from "@kavach/store-redis";
import { SYSTEM_CLOCK } from "@kavach/system";
import type { Logger } from "pino";
import { type Config, readConfig } from "./config.ts";
import { startFanout } from "./fanout.ts";

/** How long calls under way may take to end after SIGTERM, milliseconds. */
const DRAIN_MS = 20_000;
/** How long the log may take to answer at the start, milliseconds. */
const START_MS = 3500;

async function start(): Promise<Started> {
  const config = readConfig(process.argv);
  const tls = await readTls(config);
  const logger = openLogger(config.log_level);
  const report = openReport(logger);
  const exporter = openTelemetry("kavach-fanout");
  const log = await openLog(config, logger);
  const fanout = await startFanout({
    log,
    clock: SYSTEM_CLOCK,
    listen: config.listen,
    admin: { ...config.admin_listen, exporter },
    ...(tls !== undefined && { tls }),
    heartbeatMs: config.heartbeat_ms,
    leaseMs: config.lease_ms,
    events: {
      onOpened: (outcome, head) => logger.warn({ outcome, head }, "revocation log opened under a new generation"),
      onReading: (error) => {
        if (error === undefined) logger.info("the revocation log answers again");
        else logger.warn({ err: error }, "the revocation log does not answer; trying again");
      },
      onInternalError: (error, method) => report(error, `${method} failed`),
    },
  });
  const watchingTls = watchTls(config, tls, fanout.main, {
    onChange: () => logger.info("certificates changed; new connections get the new ones"),
    onFault: (error) => report(error, "certificates not taken; those in force stay"),
  });
  const kept = config.log === "memory" ? "memory" : "redis";
  if (kept === "memory")
    logger.warn("the revocation log is in this process's memory and ends with it: for a trial only");
  const at = { listen: addressText(fanout.main), admin: addressText(fanout.admin ?? fanout.main), log: kept };
  logger.info(at, `fanout is listening on ${at.listen}`);
  return {
    logger,
    stop: async () => {
      watchingTls.close();
      await fanout.stop(DRAIN_MS);
      await log.close();
    },
  };
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

runService("fanout", start);
