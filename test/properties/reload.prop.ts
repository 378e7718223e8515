/** A reload is atomic: whatever is under way when the policies are swapped is answered by one of the two sets, whole. */
import { Gate } from "@kavach/gate";
import type { ActionContext, ContextInput } from "@kavach/model";
import fc from "fast-check";
import { expect, test } from "vitest";
import { ReferenceGate } from "../reference/reference-gate.ts";
import type { ReferenceSource } from "../reference/source.ts";
import { call, type DrawnPolicy, named, policies, START_MS } from "./drawn.ts";
import { seeded } from "./seeded.ts";

const NOW_MS = START_MS[0];
const CALLS = 6;

/** With room in every limit: the store is asked, which takes a turn of the event loop, and no call changes another's answer. */
function roomy(drawn: readonly DrawnPolicy[]): ReferenceSource {
  const widened = drawn.map((policy) => ({
    ...policy,
    conditions: policy.conditions.map((one) =>
      "rate_limit" in one ? { rate_limit: { ...(one.rate_limit as object), max: 1000 } } : one,
    ),
  }));
  return { policies: named(widened) };
}

function inputOf({ principal, action, session, environment }: ActionContext): ContextInput {
  return {
    principalId: principal.id,
    principalKind: principal.kind,
    roles: principal.roles,
    actionName: action.name,
    resource: action.resource,
    params: action.params,
    ip: environment.ip,
    ...(session !== undefined && { sessionId: session.id, sessionStartedAt: session.startedAtMs / 1000 }),
  };
}

test("no decision sees half of two sets", { timeout: 3_600_000 }, async () => {
  const bySet = new Map<string, number>();
  const calls = fc.array(call, { minLength: CALLS, maxLength: CALLS });
  const property = fc.asyncProperty(policies, policies, calls, async (before, after, drawn) => {
    const sources = [roomy(before), roomy(after)] as const;
    const [first, second] = sources.map((source) => new ReferenceGate(source, { enableDrift: false }));
    await using gate = Gate.fromObject(sources[0], { enableDrift: false, clock: () => NOW_MS });
    const digest = gate.policyDigest;
    const asked = drawn.map((at) => at(NOW_MS));
    await gate.evaluate(inputOf(asked[0] as ActionContext));
    const verdicts = asked.map((context, i) => {
      const answer = gate.evaluate(inputOf(context));
      gate.reload(sources[i % 2 === 0 ? 1 : 0]);
      return answer;
    });
    for (const [i, verdict] of (await Promise.all(verdicts)).entries()) {
      const judge = verdict.policyDigest === digest ? first : second;
      const expected = judge?.evaluate(asked[i] as ActionContext, NOW_MS);
      const { kind, policyName } = verdict;
      expect({ kind, policyName }).toEqual({ kind: expected?.kind, policyName: expected?.policyName ?? "" });
      if (verdict.kind === "refuse") expect(verdict.reason).toBe(expected?.reason);
      bySet.set(judge === first ? "first" : "second", 1 + (bySet.get(judge === first ? "first" : "second") ?? 0));
    }
  });
  await fc.assert(property, seeded("reload", CALLS, 0.06));
  expect(Math.min(bySet.get("first") ?? 0, bySet.get("second") ?? 0)).toBeGreaterThan(0);
});
