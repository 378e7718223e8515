/** For this package's tests: policies, contexts and a clock that a test moves. */
import type { ContextInput, Verdict } from "@kavach/model";
import { expect } from "vitest";

export const POLICIES = {
  policies: [
    {
      name: "support_small_refunds",
      effect: "permit",
      conditions: [
        { identity_role: "support" },
        { action: "issue_refund" },
        { param_max: { field: "amount", max: 5000 } },
      ],
    },
    { name: "allow_fetch_report", effect: "permit", conditions: [{ action: "fetch_report" }] },
    {
      name: "few_exports",
      effect: "permit",
      conditions: [{ action: "export" }, { rate_limit: { max: 2, window: "1h" } }],
    },
  ],
};

/** The same set. */
export const POLICIES_TOML = `
[[policy]]
name = "support_small_refunds"
effect = "permit"
conditions = [{ identity_role = "support" }, { action = "issue_refund" }, { param_max = { field = "amount", max = 5000.0 } }]

[[policy]]
name = "allow_fetch_report"
effect = "permit"
conditions = [{ action = "fetch_report" }]

[[policy]]
name = "few_exports"
effect = "permit"
conditions = [{ action = "export" }, { rate_limit = { max = 2, window = "1h" } }]
`;

export function refund(change: Partial<ContextInput> = {}): ContextInput {
  return {
    principalId: "agent-alice",
    principalKind: "agent",
    actionName: "issue_refund",
    roles: ["support"],
    params: { amount: 1500 },
    ...change,
  };
}

export function report(change: Partial<ContextInput> = {}): ContextInput {
  return { principalId: "alice", principalKind: "user", actionName: "fetch_report", ...change };
}

/** A session whose address changed: an invalidate verdict of drift. */
export const MOVED: ContextInput = report({ sessionId: "s-1", originIp: "10.0.0.1", ip: "10.0.0.2" });

/** 2027-01-15T08:00:00Z, moved by hand. */
export class HandClock {
  ms = 1_800_000_000_000;
  readonly now = (): number => this.ms;
  nowMs(): number {
    return this.ms;
  }
  monotonicMs(): number {
    return this.ms;
  }
}

/** In one line: `permit`, or what stands in the way of one. */
export function said(verdict: Verdict): string {
  if (verdict.isPermit) return "permit";
  if (verdict.isRefuse) return `${verdict.code} ${verdict.evaluator}: ${verdict.reason}`;
  return `invalidate ${verdict.evaluator}: ${verdict.reason}`;
}

/** Waits for a condition as long as a busy machine may need. */
export function eventually(read: () => unknown): ReturnType<typeof expect.poll> {
  return expect.poll(read, { timeout: 10_000 });
}
