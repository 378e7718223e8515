/** A gate without a signer, wired as gate-node wires its own: rules, policies, state and telemetry from the same settings. */
import { randomBytes } from "@kavach/crypto";
import { Conductor, gateMetrics, Outbox } from "@kavach/gate";
import { openTelemetry } from "@kavach/service";
import { SYSTEM_CLOCK } from "@kavach/system";
// What is measured is the service's own code, which has no package entry: nothing but a benchmark may reach into it.
import { openAudit } from "../../../services/gate-node/src/audit.ts";
import { readConfig } from "../../../services/gate-node/src/config.ts";
import type { ReadWorld } from "../../../services/gate-node/src/evaluate-wire.ts";
import { openPolicyBook } from "../../../services/gate-node/src/policies.ts";
import { openState } from "../../../services/gate-node/src/state.ts";

export interface UnsignedGate {
  readonly gate: Conductor;
  readonly world: ReadWorld;
}

/** `configFile` names a gate-node's settings; the store is memory. */
export async function openUnsignedGate(configFile: string): Promise<UnsignedGate> {
  const config = readConfig([process.execPath, "bench", "--config", configFile, "--store", "memory"]);
  const report = (error: unknown, what: string) => console.error(what, error);
  openTelemetry("kavach-bench", "bench");
  const { store, revocations, invalidate, clock } = await openState(config, "bench", SYSTEM_CLOCK, report);
  const outbox = new Outbox({
    publish: (realm, scope, key) => invalidate(realm, scope, key, false),
    waitMs: 250,
    retryMs: 500,
    onFailure: (error) => report(error, "publish failed"),
  });
  const gate = new Conductor({
    policies: openPolicyBook(config),
    store,
    revocations,
    outbox,
    signer: undefined,
    audit: { sink: await openAudit(config), mode: config.audit_mode },
    evaluators: [],
    clock,
    random: randomBytes,
    metrics: gateMetrics(),
    session: { mode: config.session_mode, lifetimeMs: config.session_lifetime_ms },
    permitTtlMs: config.permit_ttl_ms,
    singleUse: config.single_use,
    observeOnly: config.observe_only,
    report,
  });
  return { gate, world: { clock, random: randomBytes } };
}
