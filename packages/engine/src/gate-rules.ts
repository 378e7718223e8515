/** The gate's own rules: invariants and drift thresholds, checked from its options. */
import { z } from "zod";
import type { DriftThresholds } from "./drift.ts";
import { GateOptionError } from "./faults.ts";
import { compileInvariant, type Invariant, type InvariantCheck, type InvariantRule } from "./invariants.ts";
import { durationText, nameText } from "./policy-schema.ts";
import { optionFault, type SchemaFault, schemaFaults, shown } from "./schema-faults.ts";
import type { Path } from "./source-document.ts";
import { suggest } from "./suggest.ts";

export interface GateRules {
  readonly invariants: readonly Invariant[];
  /** Undefined: drift is switched off. */
  readonly drift: DriftThresholds | undefined;
}

export type InvariantOption =
  /** The short form of `param_max`: name, field, max. */
  | readonly [name: string, field: string, max: number]
  | {
      readonly kind: "param_max";
      readonly name: string;
      readonly field: string;
      readonly max: number;
      readonly required?: boolean;
    }
  | {
      readonly kind: "param_min";
      readonly name: string;
      readonly field: string;
      readonly min: number;
      readonly required?: boolean;
    }
  | { readonly kind: "max_actions_per_session"; readonly name: string; readonly max: number }
  /** `max` is a duration text, such as `4h`. */
  | { readonly kind: "max_session_age"; readonly name: string; readonly max: string }
  | { readonly kind: "allowed_actions" | "blocked_actions"; readonly name: string; readonly actions: readonly string[] }
  | { readonly kind: "custom"; readonly name: string; readonly description: string; readonly check: InvariantCheck };

export interface DriftOptions {
  /** Kilometres, finite and >= 0. Absent: strict, a changed address is a violation. */
  readonly geoMaxKm?: number;
  /** Default 14400 (4 h). */
  readonly sessionAgeMaxSeconds?: number;
  /** Default three quarters of `sessionAgeMaxSeconds`. */
  readonly sessionAgeWarningSeconds?: number;
  /** Actions a minute, default 100. */
  readonly actionRateMax?: number;
  /** Actions a minute, default 30. */
  readonly actionRateWarning?: number;
  /** Default 3, at least 1. */
  readonly warningsToRefuse?: number;
}

export interface GateRuleOptions {
  readonly invariants?: readonly InvariantOption[];
  readonly drift?: DriftOptions;
  /** Adds the invariant `max_session_actions` after the others. Whole number >= 0. */
  readonly maxSessionActions?: number;
  /** Default true. */
  readonly enableDrift?: boolean;
}

/** Checks and compiles. Throws `GateOptionError` with every fault. */
export function compileGateRules(options: GateRuleOptions = {}): GateRules {
  const parsed = rulesSchema.safeParse(options);
  const found = [
    ...(parsed.success ? [] : schemaFaults(parsed.error.issues, options, knownKeys)),
    ...repeatedNames(options),
  ];
  if (!parsed.success || found.length > 0) throw new GateOptionError(found.map(optionFault));
  const { invariants, drift, maxSessionActions, enableDrift } = parsed.data;
  const rules: InvariantRule[] = [...invariants];
  if (maxSessionActions !== undefined)
    rules.push({ kind: "max_actions_per_session", name: SESSION_ACTIONS, max: maxSessionActions });
  return Object.freeze({
    invariants: Object.freeze(rules.map(compileInvariant)),
    drift: enableDrift ? Object.freeze(thresholdsOf(drift)) : undefined,
  });
}

const SESSION_ACTIONS = "max_session_actions";

const count = z.int().min(0);
const named = { name: nameText };
const check = z.custom<InvariantCheck>((value) => typeof value === "function", { error: "must be a function" });

const KINDS = {
  param_max: z.strictObject({
    kind: z.literal("param_max"),
    ...named,
    field: nameText,
    max: z.number(),
    required: z.boolean().default(false),
  }),
  param_min: z.strictObject({
    kind: z.literal("param_min"),
    ...named,
    field: nameText,
    min: z.number(),
    required: z.boolean().default(false),
  }),
  max_actions_per_session: z.strictObject({ kind: z.literal("max_actions_per_session"), ...named, max: count }),
  max_session_age: z
    .strictObject({ kind: z.literal("max_session_age"), ...named, max: durationText })
    .transform(({ kind, name, max }) => ({ kind, name, maxSeconds: max })),
  allowed_actions: z.strictObject({ kind: z.literal("allowed_actions"), ...named, actions: z.array(nameText) }),
  blocked_actions: z.strictObject({ kind: z.literal("blocked_actions"), ...named, actions: z.array(nameText) }),
  custom: z.strictObject({ kind: z.literal("custom"), ...named, description: nameText, check }),
} as const;

type Kind = keyof typeof KINDS;

const invariant = z.unknown().transform((value, context): InvariantRule => {
  const parsed = schemaOf(value)?.safeParse(value);
  if (parsed?.success) return parsed.data;
  if (parsed === undefined) addShapeIssue(value, context);
  else for (const issue of parsed.error.issues) context.addIssue({ ...issue });
  return z.NEVER;
});

const tuple = z
  .tuple([nameText, nameText, z.number()])
  .transform(([name, field, max]): InvariantRule => ({ kind: "param_max", name, field, max, required: false }));

function schemaOf(value: unknown): z.ZodType<InvariantRule> | undefined {
  if (Array.isArray(value)) return value.length === 3 ? tuple : undefined;
  const kind = kindOf(value);
  return typeof kind === "string" && Object.hasOwn(KINDS, kind) ? KINDS[kind as Kind] : undefined;
}

function kindOf(value: unknown): unknown {
  return value !== null && typeof value === "object" ? (value as { readonly kind?: unknown }).kind : undefined;
}

function addShapeIssue(value: unknown, context: z.RefinementCtx): void {
  if (value === null || typeof value !== "object" || Array.isArray(value)) {
    const given = Array.isArray(value) ? `a list of ${value.length}` : shown(value);
    context.addIssue({ code: "custom", message: `must be an object or [name, field, max], is ${given}` });
    return;
  }
  const kind = kindOf(value);
  const known = Object.keys(KINDS);
  const suggestion = typeof kind === "string" ? suggest(kind, known) : undefined;
  const message =
    kind === undefined ? "key 'kind' is missing" : `must be one of ${known.join(", ")}, is ${shown(kind)}`;
  context.addIssue({ code: "custom", path: ["kind"], message, params: { suggestion } });
}

const driftSchema = z.strictObject({
  geoMaxKm: z.number().min(0).optional(),
  sessionAgeMaxSeconds: z.number().min(0).default(14_400),
  sessionAgeWarningSeconds: z.number().min(0).optional(),
  actionRateMax: z.number().min(0).default(100),
  actionRateWarning: z.number().min(0).default(30),
  warningsToRefuse: z.int().min(1).default(3),
});

const rulesSchema = z.strictObject({
  invariants: z.array(invariant).default([]),
  drift: driftSchema.prefault({}),
  maxSessionActions: count.optional(),
  enableDrift: z.boolean().default(true),
});

function thresholdsOf(drift: z.output<typeof driftSchema>): DriftThresholds {
  const { sessionAgeMaxSeconds } = drift;
  return {
    ...drift,
    geoMaxKm: drift.geoMaxKm,
    sessionAgeWarningSeconds: drift.sessionAgeWarningSeconds ?? (sessionAgeMaxSeconds * 3) / 4,
  };
}

function knownKeys(path: Path): readonly string[] {
  if (path.length === 0) return Object.keys(rulesSchema.shape);
  if (path[0] === "drift") return Object.keys(driftSchema.shape);
  return ["kind", "name", "field", "max", "min", "required", "actions", "description", "check"];
}

/** Looks at the options themselves, so that other faults do not hide a repeated name. */
function repeatedNames(options: unknown): SchemaFault[] {
  if (options === null || typeof options !== "object") return [];
  const { invariants, maxSessionActions } = options as Readonly<Record<string, unknown>>;
  if (!Array.isArray(invariants)) return [];
  const firstByName = new Map<unknown, number>();
  return invariants.flatMap((entry: unknown, index): SchemaFault[] => {
    const name: unknown = Array.isArray(entry) ? entry[0] : (entry as { readonly name?: unknown } | null)?.name;
    if (typeof name !== "string") return [];
    const at = { path: ["invariants", index, Array.isArray(entry) ? 0 : "name"], key: "name" };
    if (name === SESSION_ACTIONS && maxSessionActions !== undefined) {
      return [{ ...at, message: `name '${name}' is taken by maxSessionActions` }];
    }
    const first = firstByName.get(name);
    if (first !== undefined) return [{ ...at, message: `name '${name}' is taken by invariants[${first}]` }];
    firstByName.set(name, index);
    return [];
  });
}
