/** Puts the services on the node's one port, and health and metrics on its admin port. */
import { GateService, InvalidationService, KeyService, PermitService, SessionService } from "@kavach/api";
import { HealthState, pathOf, type RunningServer, serviceOf, startAdminServer, startServer } from "@kavach/serve";
import { readTls } from "@kavach/service";
import { drawUuid } from "@kavach/system";
import type { PrometheusExporter } from "@opentelemetry/exporter-prometheus";
import type { Config } from "./config.ts";
import type { GateRooms } from "./gate.ts";
import { evaluateDirect, gateService } from "./gate-service.ts";
import { invalidationService } from "./invalidation-service.ts";
import { keyService } from "./key-service.ts";
import type { Keys } from "./keys.ts";
import { permitService } from "./permit-service.ts";
import { sessionService } from "./session-service.ts";
import type { State } from "./state.ts";

export interface Serving {
  readonly main: RunningServer;
  readonly admin: RunningServer;
  readonly health: HealthState;
}

/** What an `Invalidate` may take beside the lease it waits out, milliseconds. */
const INVALIDATE_MS = 2000;

export async function serve(
  config: Config,
  rooms: GateRooms,
  state: State,
  keys: Keys,
  exporter: PrometheusExporter,
  report: (error: unknown, what: string) => void,
): Promise<Serving> {
  const tls = readTls(config);
  const health = new HealthState();
  const isReady = () => {
    if (!health.serving) return "draining";
    return state.revocations.staleForMs() === undefined ? true : "revocation state is not fresh";
  };
  const onInternalError = (error: unknown, method: string) => report(error, `${method} failed`);
  const admin = await startAdminServer({
    ...config.admin_listen,
    isLive: () => true,
    isReady,
    metrics: exporter,
    health: new HealthState(),
    onInternalError,
  });
  const world = { clock: state.clock, drawUuid };
  const main = await startServer({
    ...config.listen,
    ...(tls !== undefined && { tls }),
    services: [
      serviceOf(GateService, gateService(rooms.gate, world)),
      serviceOf(PermitService, permitService(rooms.permits)),
      serviceOf(KeyService, keyService(keys)),
      serviceOf(SessionService, sessionService(rooms.sessions)),
      serviceOf(InvalidationService, invalidationService(state)),
    ],
    hot: [
      { method: GateService.method.evaluate, direct: evaluateDirect(rooms.gate, world) },
      { method: PermitService.method.verifyPermit },
      { method: PermitService.method.redeemPermit },
    ],
    fastPath: config.fast_path,
    // Who waits for every node waits a lease.
    limits: { deadlineMsByPath: { [pathOf(InvalidationService.method.invalidate)]: config.lease_ms + INVALIDATE_MS } },
    health,
    onInternalError,
  });
  health.setServing(true);
  return { main, admin, health };
}
