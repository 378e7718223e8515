/** A record for tests. */
import type { AuditRecord } from "./record.ts";

export function auditRecord(change: Partial<AuditRecord> = {}): AuditRecord {
  return {
    evaluationId: "0194f2c0-0000-7000-8000-000000000001",
    realm: "default",
    principalId: "agent-7",
    action: "issue_refund",
    resource: "orders/1",
    sessionId: "",
    paramsDigest: "00".repeat(32),
    found: { kind: "refuse", code: "POLICY_DENIED", evaluator: "policy", reason: "no" },
    returned: "permit",
    policyName: "",
    policyDigest: "11".repeat(32),
    revision: { generation: 1, number: 2 },
    atMs: 1_800_000_000_000,
    ...change,
  };
}
