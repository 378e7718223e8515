/** Writes one verdict to the audit log: what was found, what was answered, and on which facts. */
import { paramsDigest } from "@kavach/crypto";
import type { GateParts } from "./conductor.ts";
import type { Decision } from "./decision.ts";
import type { Frame } from "./frame.ts";

/** False when it could not be written; never rejects. */
export async function recordVerdict(parts: GateParts, frame: Frame, decision: Decision): Promise<boolean> {
  const { request, context } = frame;
  try {
    await parts.audit.sink.append({
      evaluationId: request.evaluationId,
      realm: request.realm,
      principalId: context.principal.id,
      action: context.action.name,
      resource: context.action.resource ?? "",
      sessionId: context.session?.id ?? "",
      paramsDigest: Buffer.from(paramsDigest(context.action.params)).toString("hex"),
      found: decision.observed ?? decision.verdict,
      returned: decision.verdict.kind,
      policyName: decision.policyName ?? "",
      policyDigest: decision.policyDigest,
      revision: decision.revision,
      atMs: frame.nowMs,
    });
    return true;
  } catch (error) {
    parts.metrics.auditFailed();
    parts.report(error, "audit write failed");
    return false;
  }
}
