/** Wires the rooms of one decision together: policies, state, keys and audit become a gate, its permits and its sessions. */

import type { AuditSink } from "@kavach/audit";
import { randomBytes } from "@kavach/crypto";
import { Conductor, type GateMetrics, Outbox, Permits, type PolicyBook, type Publish, Sessions } from "@kavach/gate";
import type { Report } from "@kavach/service";
import type { Config } from "./config.ts";
import type { Keys } from "./keys.ts";
import type { State } from "./state.ts";

export interface GateRooms {
  readonly gate: Conductor;
  readonly permits: Permits;
  readonly sessions: Sessions;
  readonly outbox: Outbox;
}

/** How long an invalidate verdict waits for the log before it says LOCAL_ONLY, and how often the write is tried again, milliseconds. */
const PUBLISH_WAIT_MS = 250;
const PUBLISH_RETRY_MS = 500;

export interface GateWiring {
  readonly config: Config;
  readonly state: State;
  readonly keys: Keys;
  readonly policies: PolicyBook;
  readonly audit: AuditSink | undefined;
  readonly metrics: GateMetrics;
  readonly report: Report;
}

export function wireGate({ config, state, keys, policies, audit, metrics, report }: GateWiring): GateRooms {
  const { store, revocations, clock } = state;
  const publish: Publish = (realm, scope, key) => state.invalidate(realm, scope, key, false);
  const outbox = new Outbox({
    publish,
    waitMs: PUBLISH_WAIT_MS,
    retryMs: PUBLISH_RETRY_MS,
    onFailure: (error, pending) => {
      metrics.publishFailed();
      report(error, `invalidation not recorded yet; ${pending} waiting`);
    },
  });
  const gate = new Conductor({
    policies,
    store,
    revocations,
    outbox,
    signer: keys.signer,
    audit: { sink: audit, mode: config.audit_mode },
    evaluators: [],
    clock,
    random: randomBytes,
    metrics,
    session: { mode: config.session_mode, lifetimeMs: config.session_lifetime_ms },
    permitTtlMs: config.permit_ttl_ms,
    singleUse: config.single_use,
    observeOnly: config.observe_only,
    report,
  });
  return {
    gate,
    outbox,
    permits: new Permits({ verifier: keys.verifier, revocations, store, clock }),
    sessions: new Sessions({
      store,
      revocations,
      publish,
      random: randomBytes,
      clock,
      lifetimeMs: config.session_lifetime_ms,
    }),
  };
}
