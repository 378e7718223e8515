/** Puts the services on the node's one port, and health and metrics on its admin port. */

import { GateService, InvalidationService, KeyService, PermitService, SessionService } from "@kavach/api";
import type { AuditSink } from "@kavach/audit";
import { HealthState, pathOf, type RunningServer, serviceOf, startAdminServer, startServer } from "@kavach/serve";
import { type Report, readTls, type TlsTexts } from "@kavach/service";
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
  /** What the main port serves with; undefined: clear text. */
  readonly tls: TlsTexts | undefined;
}

/** What an `Invalidate` may take beside the lease it waits out, milliseconds. */
const INVALIDATE_MS = 2000;

export interface Served {
  readonly config: Config;
  readonly rooms: GateRooms;
  readonly state: State;
  readonly keys: Keys;
  readonly audit: AuditSink | undefined;
  readonly exporter: PrometheusExporter;
  readonly report: Report;
}

export async function serve({ config, rooms, state, keys, audit, exporter, report }: Served): Promise<Serving> {
  const tls = await readTls(config);
  const health = new HealthState();
  const isReady = () => {
    if (!health.serving) return "draining";
    if (state.revocations.staleForMs() !== undefined) return "revocation state is not fresh";
    // Whatever lets no permit pass: a node that only observes goes on without.
    if (config.observe_only) return true;
    // Best effort goes on without a log; whoever requires one gets nothing but refusals here.
    const stopped = config.audit_mode === "required" ? audit?.stopped?.message : undefined;
    return keys.fault() ?? stopped ?? true;
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
  return { main, admin, health, tls };
}
