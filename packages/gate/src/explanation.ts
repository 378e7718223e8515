/** Why a gate would decide as it would, with its own knowledge of sessions and revocations. Changes nothing. */
import { type Explanation, explain } from "@kavach/engine";
import type { ActionContext, DecisionRequest, RefuseFinding } from "@kavach/model";
import { factsOf } from "./admit.ts";
import { Frame } from "./frame.ts";
import type { GateParts } from "./parts.ts";
import { revokedFinding } from "./revoked.ts";

export interface DecisionExplanation extends Explanation {
  /** SHA-256 of the policy set, lower hex. */
  readonly policyDigest: string;
  /** What refuses before any policy is asked: the session, its principal, a role of theirs or the realm is invalidated. */
  readonly revoked?: RefuseFinding;
}

export async function explainDecision(parts: GateParts, request: DecisionRequest): Promise<DecisionExplanation> {
  const frame = new Frame(parts, request);
  const context = frame.stored ? await withKeptSession(parts, frame) : frame.context;
  const revoked = revokedFinding(parts.revocations, frame);
  return {
    ...explain(frame.set, frame.rules, context, frame.nowMs),
    policyDigest: frame.set.digest,
    ...(revoked !== undefined && { revoked }),
  };
}

/** The facts of a session that the gate keeps are the store's; one that it does not know yet would begin now. */
async function withKeptSession(parts: GateParts, frame: Frame): Promise<ActionContext> {
  const { request, context, nowMs } = frame;
  const id = context.session?.id ?? "";
  frame.session = await parts.store.getSession(request.realm, context.principal.id, id);
  if (frame.session !== undefined) return { ...context, session: factsOf(frame.session) };
  return { ...context, session: { id, startedAtMs: nowMs, actionCount: 0 } };
}
