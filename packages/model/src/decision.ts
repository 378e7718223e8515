/** What goes into a decision and what comes out of it. Values only. */
import type { ActionContext } from "./nouns.ts";
import type { Revision } from "./revocation.ts";
import type { InvalidationScope, RefuseCode } from "./verdict.ts";

export interface DecisionRequest {
  /** Never empty: the door has put in the default. */
  readonly realm: string;
  /** UUID text. */
  readonly evaluationId: string;
  readonly context: ActionContext;
  readonly audience: readonly string[];
  /** Asks for a permit that can be redeemed once. */
  readonly singleUse: boolean;
  readonly atLeast?: Revision;
}

/** A signed permit whose bytes are not put together yet: whoever sends it has them written where they go, and saves a copy. */
export interface SealedToken {
  /** Bytes. */
  readonly size: number;
  /** Writes exactly `size` bytes from `at` on. */
  writeTo(bytes: Uint8Array, at: number): void;
  toBytes(): Uint8Array;
}

export interface IssuedPermit {
  /** The bytes that travel to the verifier; empty only where the gate has no signer, or observes and could not sign. */
  readonly token: Uint8Array;
  /** The same before it is put together, where the signer leaves that to others; `token` is then made when it is asked for. */
  readonly sealed?: SealedToken;
  /** Of a permit of format 1: its envelope alone. */
  readonly signature?: Uint8Array;
  /** UUID text. */
  readonly tokenId: string;
  readonly issuedAtMs: number;
  readonly expiresAtMs: number;
}

export type Outcome =
  | { readonly kind: "permit"; readonly permit: IssuedPermit }
  | { readonly kind: "refuse"; readonly code: RefuseCode; readonly evaluator: string; readonly reason: string }
  | { readonly kind: "invalidate"; readonly scope: InvalidationScope };

export type Propagation = "published" | "local_only" | "primary_only";

export interface Decision {
  readonly verdict: Outcome;
  readonly evaluationId: string;
  /** SHA-256 of the deciding policy set, lower hex. */
  readonly policyDigest: string;
  readonly policyName?: string;
  /** What this node had applied of the revocation log. */
  readonly revision: Revision;
  /** In observe-only mode: what would have been answered. */
  readonly observed?: Outcome;
  readonly retryAfterMs?: number;
  readonly propagation?: Propagation;
}

/** A permit is bound to one use always, when a limit let it through, or when the request asks. */
export type SingleUse = "on_request" | "when_limited" | "always";
