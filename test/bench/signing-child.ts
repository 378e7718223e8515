/** Seals permits without a pause, 64 at a time, and prints how long the event loop was held up meanwhile; then one by one. A process of its own, to be pinned. */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { KavachKeyPair, type PermitClaimsInit, PermitSigner, paramsDigest, randomBytes } from "@kavach/crypto";
import { SYSTEM_CLOCK } from "@kavach/system";
import { quantile } from "./load.ts";

const OUTSTANDING = 64;
const WARM_UP_MS = 1000;
const MEASURED_MS = 5000;
const ALONE = 500;
/** The delay is told by a timer of this period, and holds it. */
const RESOLUTION_MS = 1;

const clock = SYSTEM_CLOCK;
const signer = new PermitSigner({ keyPair: KavachKeyPair.generate({ clock }), clock });
const digest = paramsDigest(new Map([["amount", 500]]));

function claims(): PermitClaimsInit {
  const nowMs = clock.nowMs();
  return {
    realm: "default",
    tokenId: randomBytes(16),
    evaluationId: randomBytes(16),
    principal: { id: "agent-bot", kind: "agent", roles: ["support"] },
    sessionId: "",
    action: "issue_refund",
    resource: "orders/2026/0000412/items/2",
    paramsDigest: digest,
    audience: ["payments"],
    policyDigest: digest,
    revision: { generation: 1, number: 1 },
    issuedAtMs: nowMs,
    notBeforeMs: nowMs,
    expiresAtMs: nowMs + 30_000,
    singleUse: false,
    mode: "enforce",
  };
}

async function seal(durationMs: number): Promise<number> {
  const endMs = clock.monotonicMs() + durationMs;
  let sealed = 0;
  const one = async () => {
    while (clock.monotonicMs() < endMs) {
      await signer.seal(claims());
      sealed += 1;
    }
  };
  await Promise.all(Array.from({ length: OUTSTANDING }, one));
  return sealed;
}

async function sealAlone(): Promise<Float64Array> {
  const durationsMs = new Float64Array(ALONE);
  for (let i = 0; i < ALONE; i++) {
    await new Promise((resolve) => setTimeout(resolve, 1));
    const startedMs = performance.now();
    await signer.seal(claims());
    durationsMs[i] = performance.now() - startedMs;
  }
  return durationsMs.sort();
}

await seal(WARM_UP_MS);
const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
delay.enable();
const sealed = await seal(MEASURED_MS);
delay.disable();
const alone = await sealAlone();
process.stdout.write(
  JSON.stringify({
    permitsPerSecond: (sealed * 1000) / MEASURED_MS,
    loopDelayP50Ms: delay.percentile(50) / 1e6,
    loopDelayP99Ms: delay.percentile(99) / 1e6,
    loopDelayMaxMs: delay.max / 1e6,
    aloneP50Ms: quantile(alone, 0.5),
    aloneP99Ms: quantile(alone, 0.99),
  }),
);
