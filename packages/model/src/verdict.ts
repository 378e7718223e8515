/** What a decision says: findings inside the gate, verdicts outside. A finding carries no permit; only settling mints one. */

export const REFUSE_CODES = [
  "IDENTITY_FAILED",
  "POLICY_DENIED",
  "NO_POLICY_MATCH",
  "RATE_LIMIT_EXCEEDED",
  "SESSION_INVALID",
  "INVARIANT_VIOLATION",
  "DRIFT_DETECTED",
  "PERMIT_EXPIRED",
] as const;
export type RefuseCode = (typeof REFUSE_CODES)[number];

export type InvalidationTarget =
  /** `principalId` is empty only in `Invalidate`: the sessions of that id of every principal. */
  | { readonly kind: "session"; readonly principalId: string; readonly id: string }
  | { readonly kind: "principal"; readonly id: string }
  | { readonly kind: "role"; readonly id: string }
  | { readonly kind: "realm" };

export interface InvalidationScope {
  readonly target: InvalidationTarget;
  readonly reason: string;
  readonly evaluator: string;
}

export interface RefuseFinding {
  readonly kind: "refuse";
  readonly code: RefuseCode;
  readonly evaluator: string;
  readonly reason: string;
  readonly policyName?: string;
  /** Milliseconds until a rate limit has a place again at the earliest. */
  readonly retryAfterMs?: number;
}

export interface InvalidateFinding {
  readonly kind: "invalidate";
  readonly scope: InvalidationScope;
  readonly policyName?: string;
}

export interface PassFinding {
  readonly kind: "pass";
  readonly policyName: string;
  /** A rate limit let it through: `singleUse: when_limited` binds the permit to one use. */
  readonly limited: boolean;
}

export type Finding = PassFinding | RefuseFinding | InvalidateFinding;
