import { describe, expect, it } from "vitest";
import { recordLine } from "./record.ts";
import { auditRecord } from "./record-fixture.ts";

describe("recordLine", () => {
  it("is one line of JSON with every member named", () => {
    const line = recordLine(
      auditRecord({ principalId: 'a\n"\u2028', caller: "spiffe://mesh/payments", facts: { count: 3 } }),
    );
    expect(line).not.toContain("\n");
    expect(JSON.parse(line)).toEqual({
      evaluation_id: "0194f2c0-0000-7000-8000-000000000001",
      realm: "default",
      principal_id: 'a\n"\u2028',
      action: "issue_refund",
      resource: "orders/1",
      session_id: "",
      params_digest: "00".repeat(32),
      found: { kind: "refuse", code: "POLICY_DENIED", evaluator: "policy", reason: "no" },
      returned: "permit",
      policy_name: "",
      policy_digest: "11".repeat(32),
      revision: { generation: 1, number: 2 },
      caller: "spiffe://mesh/payments",
      facts: { count: 3 },
      at_ms: 1_800_000_000_000,
    });
  });

  it("says of an invalidation what it reaches", () => {
    const found = (target: object) =>
      JSON.parse(
        recordLine(
          auditRecord({ found: { kind: "invalidate", scope: { target, reason: "r", evaluator: "e" } } as never }),
        ),
      ).found;
    expect(found({ kind: "session", principalId: "p", id: "s" }).target).toEqual({
      kind: "session",
      principal_id: "p",
      id: "s",
    });
    expect(found({ kind: "role", id: "admin" }).target).toEqual({ kind: "role", id: "admin" });
    expect(found({ kind: "realm" })).toEqual({
      kind: "invalidate",
      target: { kind: "realm" },
      reason: "r",
      evaluator: "e",
    });
  });

  it("lets nothing out that is not of the record, a permit's bytes least of all", () => {
    const permit = { kind: "permit", permit: { token: Uint8Array.of(1, 2, 3), tokenId: "secret" } } as const;
    const line = recordLine({ ...auditRecord({ found: permit }), ...{ note: "secret" } });
    expect(JSON.parse(line).found).toEqual({ kind: "permit" });
    expect(line).not.toContain("secret");
  });
});
