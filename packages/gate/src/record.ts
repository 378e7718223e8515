/** Writes one verdict to the audit log: what was found, what was answered, and on which facts. */
import type { AuditRecord, AuditSink } from "@kavach/audit";
import type { Decision, Device, GeoLocation } from "@kavach/model";
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

type Facts = NonNullable<AuditRecord["facts"]>;

/**
 * What policies and detectors were given about principal, session and surroundings; the params have a digest of their own. A session's
 * facts are the store's where it keeps the session, else the caller's word.
 */
function factsOf({ session: stored, context: { principal, session: told, environment } }: Frame): Facts {
  const session = stored ?? told;
  return {
    principal_kind: principal.kind,
    ...(principal.roles.length > 0 && { principal_roles: principal.roles }),
    ...whereabouts("", environment.ip, environment.geo, environment.device),
    ...(session !== undefined && {
      session_stored: stored !== undefined,
      session_started_at_ms: session.startedAtMs,
      session_action_count: session.actionCount,
      ...whereabouts("session_origin_", session.originIp, session.originGeo, session.originDevice),
    }),
  };
}

/** Only what is known. A place is its country and, where detectors measure distances, its coordinates. */
function whereabouts(prefix: string, ip?: string, geo?: GeoLocation, device?: Device): Facts {
  return {
    ...(ip !== undefined && { [`${prefix}ip`]: ip }),
    ...(geo !== undefined && { [`${prefix}country`]: geo.countryCode }),
    ...(geo?.latitude !== undefined && { [`${prefix}latitude`]: geo.latitude }),
    ...(geo?.longitude !== undefined && { [`${prefix}longitude`]: geo.longitude }),
    ...(device?.hash !== undefined && { [`${prefix}device`]: device.hash }),
  };
}
