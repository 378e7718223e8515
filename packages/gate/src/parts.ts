/** What the conductor and its steps are given: the rooms of one gate, and how it is set. */
import type { AuditSink } from "@kavach/audit";
import type { PermitClaimsInit } from "@kavach/crypto";
import type { Clock, RandomBytes, SealedToken, SingleUse } from "@kavach/model";
import type { Store } from "@kavach/store";
import type { CustomEvaluator } from "./evaluators.ts";
import type { RevocationView } from "./freshness.ts";
import type { Outbox } from "./outbox.ts";
import type { PolicyBook } from "./policy-book.ts";
import type { GateMetrics } from "./telemetry.ts";

/** Signs claims; rejects when it cannot. */
export interface PermitSealer {
  /** When the key expires, Unix milliseconds; infinite where it never does. */
  readonly keyExpiresAtMs: number;
  /** The token, of format 1 with its envelope beside it. No bytes at all where the format cannot say what the claims do. */
  seal(claims: PermitClaimsInit): Promise<Uint8Array | SealedInFormatOne>;
  /** Asked instead where it is there. */
  sealToken?(claims: PermitClaimsInit): Promise<SealedToken>;
}

export interface SealedInFormatOne {
  readonly token: Uint8Array;
  readonly signature: Uint8Array;
}

export interface SessionOptions {
  /** `inline`: facts come with the request and no record is read. */
  readonly mode: "inline" | "open_on_first_use" | "required";
  /** Absolute lifetime of a stored session, milliseconds. */
  readonly lifetimeMs: number;
  /**
   * The revocation log is this gate's own, while sessions may have been opened by others: at which revision they were born says nothing
   * here, and when they began does.
   */
  readonly bornElsewhere?: boolean;
}

export interface GateParts {
  readonly policies: PolicyBook;
  readonly store: Store;
  readonly revocations: RevocationView;
  readonly outbox: Outbox;
  /** Absent: permits carry no token. */
  readonly signer: PermitSealer | undefined;
  /** Without a sink nothing is kept, and nothing can be required to be. */
  readonly audit: { readonly sink: AuditSink | undefined; readonly mode: "best_effort" | "required" };
  readonly evaluators: readonly CustomEvaluator[];
  /** The store's time on this machine. */
  readonly clock: Clock;
  readonly random: RandomBytes;
  readonly metrics: GateMetrics;
  readonly session: SessionOptions;
  /** 1,000 to 300,000. */
  readonly permitTtlMs: number;
  readonly singleUse: SingleUse;
  readonly observeOnly: boolean;
  /** For what must not fail a verdict: audit writes in best effort. */
  readonly report: (error: unknown, what: string) => void;
}
