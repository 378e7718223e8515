/** The nouns of a decision, as plain readonly values. No behaviour lives here. */

export const PRINCIPAL_KINDS = ["user", "agent", "service", "scheduler", "external"] as const;
export type PrincipalKind = (typeof PRINCIPAL_KINDS)[number];

export interface Principal {
  readonly id: string;
  readonly kind: PrincipalKind;
  readonly roles: readonly string[];
}

export type ParamValue = number | string | boolean;
/** A map, not an object, so that `__proto__` and `constructor` are ordinary names. */
export type Params = ReadonlyMap<string, ParamValue>;

export interface Action {
  readonly name: string;
  readonly resource?: string;
  readonly params: Params;
}

export interface GeoLocation {
  readonly countryCode: string;
  readonly region?: string;
  readonly city?: string;
  /** Degrees, -90 to 90. */
  readonly latitude?: number;
  /** Degrees, -180 to 180. */
  readonly longitude?: number;
}

export interface Device {
  readonly hash?: string;
  /** For people; never compared. */
  readonly description?: string;
}

/** A session's facts: the caller's word, or the store's where the gate keeps sessions. */
export interface Session {
  readonly id: string;
  /** Unix milliseconds. */
  readonly startedAtMs: number;
  /** The caller gave no start, and the instant of the request was put in: no proof that the session is younger than a revocation. */
  readonly startAssumed?: boolean;
  /** Earlier actions in it. */
  readonly actionCount: number;
  readonly originIp?: string;
  readonly originGeo?: GeoLocation;
  readonly originDevice?: Device;
  /** The caller says that the session is void; then it is. */
  readonly invalidated?: boolean;
}

export interface Environment {
  readonly ip?: string;
  readonly geo?: GeoLocation;
  readonly device?: Device;
  readonly userAgent?: string;
}

export interface ActionContext {
  readonly principal: Principal;
  readonly action: Action;
  readonly session?: Session;
  readonly environment: Environment;
}

/** The realm that an empty name stands for. */
export const DEFAULT_REALM = "default";
