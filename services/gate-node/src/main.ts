/** gate-node: reads its settings, makes the world, wires the rooms together, and serves until it is told to stop. */
import { randomBytes } from "@kavach/crypto";
import { gateMetrics } from "@kavach/gate";
import { uuidFromRandom } from "@kavach/model";
import {
  addressText,
  openLogger,
  openReport,
  openTelemetry,
  reloadAgainAndAgain,
  runService,
  type Started,
  showGauges,
  watchTls,
} from "@kavach/service";
import { SYSTEM_CLOCK } from "@kavach/system";
import { openAudit } from "./audit.ts";
import { readConfig } from "./config.ts";
import { keyGauges, watchEndings } from "./expiry.ts";
import { wireGate } from "./gate.ts";
import { KeyUses } from "./key-uses.ts";
import { type Keys, openKeys, watchKeys } from "./keys.ts";
import { openPolicyBook, watchPolicies } from "./policies.ts";
import { serve } from "./server.ts";
import { openState } from "./state.ts";

/** How long calls under way may take to end after SIGTERM, milliseconds. */
const DRAIN_MS = 20_000;

async function start(): Promise<Started> {
  const config = readConfig(process.argv);
  const logger = openLogger(config.log_level);
  const report = openReport(logger);
  const nodeId = config.node_id ?? uuidFromRandom(randomBytes(16));
  const exporter = openTelemetry("kavach-gate-node", nodeId);
  const policies = openPolicyBook(config);
  const uses = new KeyUses();
  const keys = await openKeys(config, SYSTEM_CLOCK, uses);
  showGauges("kavach.gate-node", keyGauges(keys));
  const audit = await openAudit(config, nodeId, SYSTEM_CLOCK, { report, say: (what) => logger.warn(what), uses });
  const state = await openState(config, nodeId, SYSTEM_CLOCK, report);
  const rooms = wireGate({ config, state, keys, policies, audit, metrics: gateMetrics(), report });
  const { main, admin, tls } = await serve({ config, rooms, state, keys, audit, exporter, report });
  const watching = watchPolicies(config, policies, {
    onChange: (policyDigest) => logger.info({ policyDigest }, "policies changed"),
    onFault: (error) => report(error, "policy file not taken; the policies in force stay"),
  });
  const watchingKeys = watchKeys(keys, {
    onChange: () => logger.info(keysText(keys), "keys changed"),
    onFault: (error) => report(error, "key files not taken; the keys in force stay"),
  });
  const watchingAuditKey = reloadAgainAndAgain(async () => (await audit?.reload()) ?? false, {
    onChange: () => logger.info("audit key changed; whoever verifies the log needs its public half, too"),
    onFault: (error) => report(error, "audit key not taken; the key in force stays"),
  });
  const watchingTls = watchTls(config, tls, main, {
    onChange: () => logger.info("certificates changed; new connections get the new ones"),
    onFault: (error) => report(error, "certificates not taken; those in force stay"),
  });
  const watchingEndings = watchEndings(keys, SYSTEM_CLOCK, ({ what, at }) =>
    logger.warn({ at }, `the ${what} ends soon, and from then on this node refuses; 'kavach keys' makes the next one`),
  );
  if (keys.ephemeral) logger.warn("permit key and root were made at this start and end with it: for one process only");
  else if (config.seen_version === undefined) {
    logger.warn("seen_version is not set: after a restart, this node takes an older manifest that has not lapsed yet");
  }
  if (config.permit_format === "v1") {
    logger.warn(
      "permits are of format 1: they bind action and times, but neither principal, resource, params nor audience",
    );
  }
  if (config.observe_only) logger.warn("observe-only: nothing is blocked");
  const at = { listen: addressText(main), admin: addressText(admin), nodeId };
  logger.info(
    { ...at, ...keysText(keys), store: config.store === "memory" ? "memory" : "redis" },
    `gate-node is listening on ${at.listen}`,
  );
  return {
    logger,
    stop: async () => {
      watching.close();
      watchingKeys.close();
      watchingEndings.close();
      watchingAuditKey.close();
      watchingTls.close();
      await main.drain(DRAIN_MS);
      await rooms.outbox.close();
      await keys.signer.close();
      await audit?.close();
      await state.close();
      await admin.drain(0);
    },
  };
}

/** What tells during a rotation how far this node is. */
const keysText = ({ signer, manifestVersion, manifestExpiresAtMs }: Keys) => ({
  keyId: signer.keyId,
  manifestVersion,
  manifestExpiresAt: new Date(manifestExpiresAtMs).toISOString(),
});

runService("gate-node", start);
