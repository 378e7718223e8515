/** The Store port: limits, sessions and redemptions, shared by every replica. Its memory twin is memory-store.ts. */
import type { Device, Environment, GeoLocation, Principal, Revision } from "@kavach/model";

/** `admissions` counts calls that a limit let through; `attempts` counts every evaluation the pattern matched. */
export type CountMode = "admissions" | "attempts";

export interface RateLimit {
  /** Positive integer. */
  readonly max: number;
  /** In milliseconds: a positive integer, at most 30 days. */
  readonly windowMs: number;
  readonly count: CountMode;
}

/** One policy that would decide, if its limits and its session-age bound hold. */
export interface Candidate {
  readonly effect: "permit" | "refuse";
  readonly limits: readonly RateLimit[];
  /** The session must have started at or after this instant (Unix ms) by the store's record; absent: any. */
  readonly oldestSessionStartMs?: number;
}

export type SessionMode = "open_on_first_use" | "required";

/** What a charge remembers, so that a retry returns the same permit times. Opaque to the store. */
export interface ChargeMemory {
  readonly issuedAtMs: number;
  readonly expiresAtMs: number;
}

export interface AdmitRequest {
  readonly realm: string;
  readonly principalId: string;
  readonly actionName: string;
  /** 16 bytes. */
  readonly evaluationId: Uint8Array;
  /** SHA-256 of the whole request, 32 bytes. */
  readonly requestDigest: Uint8Array;
  /** In order; the first that holds is taken and charged; a refuse candidate ends the walk. */
  readonly candidates: readonly Candidate[];
  /** Write one entry to the attempts log whatever the outcome. */
  readonly countAttempt: boolean;
  /**
   * The longest rate window of the whole policy set, milliseconds: entries are kept as long, though the candidates of this call ask
   * for less. Absent: the longest of the candidates, or 30 days where they name none.
   */
  readonly retainMs?: number;
  /**
   * Windows of the policy set's limits above 128, milliseconds: they are counted from the first entry on, though no candidate of this
   * call carries such a limit. Absent: those of the candidates; then a large limit that is met for the first time begins with the
   * entries still known.
   */
  readonly largeWindowsMs?: readonly number[];
  readonly session?: {
    readonly id: string;
    readonly mode: SessionMode;
    /** Origin of a session that is opened by this call (open_on_first_use). */
    readonly origin: Environment;
    readonly born: Revision;
    readonly lifetimeMs: number;
  };
  /** Remembered with the charge for `rememberMs`. */
  readonly memory: ChargeMemory;
  readonly rememberMs: number;
}

export interface StoredSession {
  readonly id: string;
  readonly principalId: string;
  readonly roles: readonly string[];
  /** The shard's clock, Unix ms. */
  readonly startedAtMs: number;
  readonly expiresAtMs: number;
  /** Earlier decisions in it, whatever their verdict. */
  readonly actionCount: number;
  readonly originIp?: string;
  readonly originGeo?: GeoLocation;
  readonly originDevice?: Device;
  /** Head of the revocation log when it was opened. */
  readonly born: Revision;
}

/** A candidate that only its rate limit kept from holding. */
export interface Exceeded {
  readonly candidate: number;
  readonly retryAfterMs: number;
}

export type AdmitResult =
  | {
      readonly kind: "admitted";
      /** The shard's clock, Unix ms. */
      readonly nowMs: number;
      /** Index of the candidate that held, or undefined: none. */
      readonly candidate: number | undefined;
      /** Every limit-blocked permit candidate before the taken one, in order. */
      readonly exceeded: readonly Exceeded[];
      /** What the charge remembers: the request's own memory, or on a retry that of the first call. Absent: nothing was charged. */
      readonly memory?: ChargeMemory;
      readonly session?: StoredSession;
    }
  /** The evaluation id was used before with another digest: an input error. */
  | { readonly kind: "conflict" }
  /** The session is unknown, closed or expired. Nothing was charged. */
  | { readonly kind: "session_unknown" };

export interface RedeemRequest {
  readonly realm: string;
  readonly principalId: string;
  /** 16 bytes. */
  readonly tokenId: Uint8Array;
  /** Unix ms; compared with the store's clock, without skew. */
  readonly expiresAtMs: number;
}

export type RedeemResult = "redeemed" | "already_redeemed" | "expired";

export interface OpenSessionRequest {
  readonly realm: string;
  readonly principal: Principal;
  readonly origin: Environment;
  readonly born: Revision;
  /** Absolute lifetime, milliseconds. */
  readonly lifetimeMs: number;
  /** Issued id: 128 random bits and the principal's slot tag, made by the caller. */
  readonly id: string;
}

/** All methods reject with `UnavailableError` when the store is slow or gone; what was asked may then have happened. */
export interface Store {
  admit(request: AdmitRequest): Promise<AdmitResult>;
  redeem(request: RedeemRequest): Promise<RedeemResult>;
  openSession(request: OpenSessionRequest): Promise<StoredSession>;
  getSession(realm: string, principalId: string, sessionId: string): Promise<StoredSession | undefined>;
  listSessions(realm: string, principalId: string): Promise<readonly StoredSession[]>;
  /** True when there was something to delete. */
  closeSession(realm: string, principalId: string, sessionId: string): Promise<boolean>;
  /** The store answers: resolves; else rejects. For readiness. */
  ping(): Promise<void>;
  close(): Promise<void>;
}
