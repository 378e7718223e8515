/** gate-node: reads its settings, makes the world, wires the rooms together, and serves until it is told to stop. */
import { randomBytes } from "@kavach/crypto";
import { PolicyError } from "@kavach/engine";
import { gateMetrics } from "@kavach/gate";
import { uuidFromRandom } from "@kavach/model";
import { SYSTEM_CLOCK } from "@kavach/system";
import { pino } from "pino";
import { openAudit } from "./audit.ts";
import { ConfigError, readConfig } from "./config.ts";
import { wireGate } from "./gate.ts";
import { openKeys } from "./keys.ts";
import { openPolicyBook } from "./policies.ts";
import { serve } from "./server.ts";
import { openState } from "./state.ts";
import { openTelemetry } from "./telemetry.ts";

/** How long calls under way may take to end after SIGTERM, milliseconds. */
const DRAIN_MS = 20_000;

async function main(): Promise<void> {
  const config = readConfig(process.argv);
  const log = pino({ level: config.log_level, base: null });
  const report = (error: unknown, what: string) => log.warn({ err: error }, what);
  const nodeId = config.node_id ?? uuidFromRandom(randomBytes(16));
  const exporter = openTelemetry(nodeId);
  const policies = openPolicyBook(config);
  const keys = await openKeys(config, SYSTEM_CLOCK);
  const audit = await openAudit(config);
  const state = await openState(config, nodeId, SYSTEM_CLOCK, report);
  const rooms = wireGate({ config, state, keys, policies, audit, metrics: gateMetrics(), report });
  const { main: server, admin, health } = await serve(config, rooms, state, keys, exporter, report);
  if (keys.ephemeral) log.warn("permit key and root were made at this start and end with it: for one process only");
  if (config.observe_only) log.warn("observe-only: nothing is blocked");
  log.info(
    {
      listen: `${server.host}:${server.port}`,
      admin: `${admin.host}:${admin.port}`,
      nodeId,
      store: config.store === "memory" ? "memory" : "redis",
    },
    "gate-node is listening",
  );

  let stopping = false;
  const stop = async (signal: string) => {
    if (stopping) return;
    stopping = true;
    log.info({ signal }, "draining");
    health.setServing(false);
    await server.drain(DRAIN_MS);
    await rooms.outbox.close();
    await keys.signer.close();
    await audit.close();
    await state.close();
    await admin.drain(0);
    log.info("stopped");
  };
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.on(signal, () => {
      stop(signal).then(
        () => process.exit(0),
        (error: unknown) => {
          log.error({ err: error }, "did not stop cleanly");
          process.exit(1);
        },
      );
    });
  }
}

main().catch((error: unknown) => {
  // One line a fault, no stack: these are for the person who starts the service.
  const expected =
    error instanceof ConfigError || error instanceof PolicyError || (error instanceof Error && "code" in error);
  process.stderr.write(
    expected ? `gate-node: ${(error as Error).message}\n` : `gate-node: ${(error as Error).stack ?? error}\n`,
  );
  process.exit(1);
});
