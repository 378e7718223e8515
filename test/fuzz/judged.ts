/** A decision that the engine and the judge must agree on, whatever the input was. */
import { inspect, isDeepStrictEqual } from "node:util";
import type { PolicySet } from "@kavach/engine";
import { compileGateRules, decide, plan } from "@kavach/engine";
import type { ActionContext } from "@kavach/model";
import { answerOf } from "../properties/engine-gate.ts";
import { ReferenceGate } from "../reference/reference-gate.ts";
import type { ReferenceSource } from "../reference/source.ts";

const NOW_MS = Date.UTC(2026, 5, 15, 12);
const rules = compileGateRules({});

/** True for a permit. Throws where the two disagree: then the engine read something into the input that does not stand there. */
export function isPermitted(set: PolicySet, source: ReferenceSource, context: ActionContext): boolean {
  const planned = plan(set, context, NOW_MS, { storedSession: false });
  const session = context.session === undefined ? {} : { session: context.session };
  const candidate = planned.kind === "candidates" && planned.candidates.length > 0 ? 0 : undefined;
  const facts = { nowMs: NOW_MS, candidate, exceeded: [], ...session };
  const found = planned.kind === "finding" ? planned.finding : decide(set, rules, context, planned, facts);
  const answer = answerOf(found);
  const expected = new ReferenceGate(source).evaluate(context, NOW_MS);
  if (!isDeepStrictEqual(answer, expected)) throw new Error(`${inspect(answer)} instead of ${inspect(expected)}`);
  return answer.kind === "permit";
}
