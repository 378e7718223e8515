/** What the audit log says about one verdict, and its one line of text. */
import type { InvalidationScope, RefuseCode, Revision } from "@kavach/model";

/** A verdict as the log keeps it: a permit's bytes are not in it, for whoever reads a log must not be able to use a permit. */
export type AuditVerdict =
  | { readonly kind: "permit" }
  | { readonly kind: "refuse"; readonly code: RefuseCode; readonly evaluator: string; readonly reason: string }
  | { readonly kind: "invalidate"; readonly scope: InvalidationScope };

export interface AuditRecord {
  /** UUID text. */
  readonly evaluationId: string;
  readonly realm: string;
  readonly principalId: string;
  readonly action: string;
  /** Empty: none. */
  readonly resource: string;
  /** Empty: none. */
  readonly sessionId: string;
  /** SHA-256 of the canonical params, lower hex. */
  readonly paramsDigest: string;
  /** The true verdict. */
  readonly found: AuditVerdict;
  /** What was answered; differs from `found` where a gate only observes. */
  readonly returned: AuditVerdict["kind"];
  /** The policy that decided; empty: none. */
  readonly policyName: string;
  /** SHA-256 of the policy set, lower hex. */
  readonly policyDigest: string;
  /** What the node had applied of the revocation log. */
  readonly revision: Revision;
  /**
   * Who called the gate, as it was proved outside the request. Of a service: `certificate:` and the names of a verified certificate, or
   * `unauthenticated:` and an address; of an embedded gate: what its application says. Absent or empty: nobody is known.
   */
  readonly caller?: string;
  /** What the verdict rests on besides action and params, by name: roles, session times and counts, addresses. Absent: nothing. */
  readonly facts?: Readonly<Record<string, string | number | boolean | readonly string[]>>;
  /** Unix milliseconds. */
  readonly atMs: number;
}

/** One JSON object without a line break. Members are named one by one, so that nothing else a caller attached gets out. */
export function recordLine(record: AuditRecord): string {
  return JSON.stringify({
    evaluation_id: record.evaluationId,
    realm: record.realm,
    principal_id: record.principalId,
    action: record.action,
    resource: record.resource,
    session_id: record.sessionId,
    params_digest: record.paramsDigest,
    found: verdictFields(record.found),
    returned: record.returned,
    policy_name: record.policyName,
    policy_digest: record.policyDigest,
    revision: { generation: record.revision.generation, number: record.revision.number },
    caller: record.caller ?? "",
    facts: record.facts ?? {},
    at_ms: record.atMs,
  });
}

function verdictFields(verdict: AuditVerdict) {
  switch (verdict.kind) {
    case "permit":
      return { kind: verdict.kind };
    case "refuse":
      return { kind: verdict.kind, code: verdict.code, evaluator: verdict.evaluator, reason: verdict.reason };
    case "invalidate":
      return { kind: verdict.kind, ...scopeFields(verdict.scope) };
  }
}

function scopeFields({ target, reason, evaluator }: InvalidationScope) {
  return {
    target: {
      kind: target.kind,
      ...(target.kind === "session" && { principal_id: target.principalId }),
      ...(target.kind !== "realm" && { id: target.id }),
    },
    reason,
    evaluator,
  };
}
