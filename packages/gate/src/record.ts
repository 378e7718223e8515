/** Writes one verdict to the audit log: what was found, what was answered, and on which facts. */
import type { AuditSink } from "@kavach/audit";
import type { Decision } from "@kavach/model";
import type { Frame } from "./frame.ts";
import type { GateParts } from "./parts.ts";
import type { Soon } from "./soon.ts";

/** False when it could not be written; never rejects. */
export function recordVerdict(parts: GateParts, frame: Frame, decision: Decision): Soon<boolean> {
  const { sink, mode } = parts.audit;
  if (sink === undefined) return mode !== "required";
  return write(sink, parts, frame, decision);
}

async function write(sink: AuditSink, parts: GateParts, frame: Frame, decision: Decision): Promise<boolean> {
  const { request, context } = frame;
  try {
    await sink.append({
      evaluationId: request.evaluationId,
      realm: request.realm,
      principalId: context.principal.id,
      action: context.action.name,
      resource: context.action.resource ?? "",
      sessionId: context.session?.id ?? "",
      paramsDigest: Buffer.from(frame.paramsDigest()).toString("hex"),
      found: decision.observed ?? decision.verdict,
      returned: decision.verdict.kind,
      policyName: decision.policyName ?? "",
      policyDigest: decision.policyDigest,
      revision: decision.revision,
      caller: frame.caller,
      facts: factsOf(frame),
      atMs: frame.nowMs,
    });
    return true;
  } catch (error) {
    parts.metrics.auditFailed();
    parts.report(error, "audit write failed");
    return false;
  }
}

/** What counted beside the request: the session as the store has it, else as the caller told it. */
function factsOf({ session: stored, context }: Frame): Readonly<Record<string, number | boolean>> {
  const session = stored ?? context.session;
  if (session === undefined) return {};
  return {
    session_stored: stored !== undefined,
    session_started_at_ms: session.startedAtMs,
    session_action_count: session.actionCount,
  };
}
