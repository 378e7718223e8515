/** What the tests of permits have in common: keys, a clock, claims, and what is expected of them. */

import { paramsDigest } from "../digests.ts";
import { KavachKeyPair } from "../keys/key-pair.ts";
import { sha256 } from "../provider.ts";
import type { PermitClaimsInit } from "./claims.ts";
import type { PermitExpectation } from "./verifier.ts";

export const NOW_MS = 1_800_000_000_000;
export const EXPIRES_MS = NOW_MS + 30_000;

/** A clock that stands still until it is set. */
export function clockAt(startMs: number) {
  const clock = { ms: startMs, nowMs: () => clock.ms, monotonicMs: () => clock.ms };
  return clock;
}

export const generate = (expiresInSeconds?: number): KavachKeyPair =>
  KavachKeyPair.generate({ clock: clockAt(NOW_MS), ...(expiresInSeconds !== undefined && { expiresInSeconds }) });

export const PARAMS = new Map<string, string | number | boolean>([
  ["amount", 250.5],
  ["currency", "EUR"],
]);

/** `distinct` tells permits of one test apart. */
export function claimsOf(change: Partial<PermitClaimsInit> = {}, distinct = 0): PermitClaimsInit {
  const id = sha256(Uint8Array.of(distinct & 0xff, distinct >> 8));
  return {
    realm: "default",
    tokenId: id.slice(0, 16),
    evaluationId: id.slice(16),
    principal: { id: "agent-7", kind: "agent", roles: ["support", "refunds"] },
    sessionId: "s-1",
    action: "issue_refund",
    resource: "orders/1",
    paramsDigest: paramsDigest(PARAMS),
    audience: [],
    policyDigest: sha256(Uint8Array.of(1)),
    revision: { generation: 1, number: 42 },
    issuedAtMs: NOW_MS,
    notBeforeMs: NOW_MS,
    expiresAtMs: EXPIRES_MS,
    singleUse: false,
    mode: "enforce",
    ...change,
  };
}

export function expectationOf(change: Partial<PermitExpectation> = {}): PermitExpectation {
  return {
    realm: "default",
    principalId: "agent-7",
    action: { name: "issue_refund", resource: "orders/1", params: PARAMS },
    nowMs: NOW_MS + 1,
    ...change,
  };
}
