/** Measures the engines in this process and prints the rates as JSON: a process of its own, so that it can be pinned to a core. */
import { preparsePolicySet, statefulIsAuthorized } from "@cedar-policy/cedar-wasm/nodejs";
import { sha256 } from "@kavach/crypto";
import { compileGateRules, decide, loadPolicySet, plan } from "@kavach/engine";
import type { ActionContext } from "@kavach/model";
import { ACTION, AMOUNT, cedarPolicies, kavachPolicies, ROLE } from "./engine-policies.ts";

const ROUNDS = 5;
const ROUND_MS = 300;

/** Median of calls a second; the first round warms up and does not count. */
function rate(once: () => void): number {
  const rates: number[] = [];
  for (let round = 0; round <= ROUNDS; round++) {
    const startMs = performance.now();
    let calls = 0;
    let elapsedMs = 0;
    while (elapsedMs < ROUND_MS) {
      for (let i = 0; i < 100; i++) once();
      calls += 100;
      elapsedMs = performance.now() - startMs;
    }
    if (round > 0) rates.push((calls / elapsedMs) * 1000);
  }
  return rates.toSorted((a, b) => a - b)[ROUNDS >> 1] ?? Number.NaN;
}

function kavach(count: number): number {
  const set = loadPolicySet({ format: "object", value: kavachPolicies(count) }, sha256);
  const rules = compileGateRules();
  const context: ActionContext = {
    principal: { id: "agent-bot", kind: "agent", roles: [ROLE] },
    action: { name: ACTION, params: new Map([["amount", AMOUNT]]) },
    environment: {},
  };
  const nowMs = performance.timeOrigin;
  const options = { storedSession: false };
  const facts = { nowMs, candidate: 0, exceeded: [] };
  return rate(() => {
    const planned = plan(set, context, nowMs, options);
    const finding = planned.kind === "finding" ? planned.finding : decide(set, rules, context, planned, facts);
    if (finding.kind !== "pass") throw new Error("not permitted");
  });
}

function cedar(count: number): number {
  const id = `set-${count}`;
  const parsed = preparsePolicySet(id, { staticPolicies: cedarPolicies(count) });
  if (parsed.type !== "success") throw new Error(JSON.stringify(parsed));
  const call = {
    principal: { type: "Agent", id: "agent-bot" },
    action: { type: "Action", id: ACTION },
    resource: { type: "Refund", id: "r" },
    context: { roles: [ROLE], amount: AMOUNT },
    preparsedPolicySetId: id,
    entities: [],
  };
  return rate(() => {
    const answer = statefulIsAuthorized(call);
    if (answer.type !== "success" || answer.response.decision !== "allow") throw new Error(JSON.stringify(answer));
  });
}

process.stdout.write(
  JSON.stringify({ kavach10: kavach(10), kavach100: kavach(100), kavach10000: kavach(10_000), cedar100: cedar(100) }),
);
