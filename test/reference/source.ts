/** What the reference evaluator is given: policies and options as their authors write them. */
export type ReferenceCondition = Readonly<Record<string, unknown>>;

export interface ReferencePolicy {
  readonly name: string;
  readonly effect: "permit" | "refuse";
  readonly conditions: readonly ReferenceCondition[];
  readonly description?: string;
  readonly priority?: number;
}

export interface ReferenceSource {
  readonly policies?: readonly ReferencePolicy[];
  readonly policy?: readonly ReferencePolicy[];
}

export type ReferenceInvariant =
  | readonly [name: string, field: string, max: number]
  | {
      readonly kind: string;
      readonly name: string;
      readonly field?: string;
      readonly max?: number | string;
      readonly min?: number;
      readonly required?: boolean;
      readonly actions?: readonly string[];
    };

export interface ReferenceOptions {
  readonly invariants?: readonly ReferenceInvariant[];
  readonly drift?: {
    readonly geoMaxKm?: number;
    readonly sessionAgeMaxSeconds?: number;
    readonly sessionAgeWarningSeconds?: number;
    readonly actionRateMax?: number;
    readonly actionRateWarning?: number;
    readonly warningsToRefuse?: number;
  };
  readonly maxSessionActions?: number;
  readonly enableDrift?: boolean;
}

export interface ReferenceAnswer {
  readonly kind: "permit" | "refuse" | "invalidate";
  readonly code?: string;
  readonly evaluator?: string;
  readonly reason?: string;
  readonly policyName?: string;
  readonly retryAfterMs?: number;
}
