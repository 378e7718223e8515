/** The one schema of policies, whatever they were written in: what a source says, checked and with its defaults filled in. */
import { LIMITS, measureText, PRINCIPAL_KINDS } from "@kavach/model";
import { z } from "zod";
import { parseDuration } from "./duration.ts";
import { type SchemaFault, shown } from "./schema-faults.ts";
import type { Path } from "./source-document.ts";
import { suggest } from "./suggest.ts";
import { parseTimeWindow } from "./time-window.ts";

const text = z.string().superRefine((value, context) => {
  if (!value.isWellFormed()) context.addIssue({ code: "custom", message: "must be well-formed Unicode" });
});

/** 1 to 256 bytes, no control characters: it is printed in reasons and audit entries. */
export const nameText = text.superRefine((value, context) => {
  const { bytes, control } = measureText(value);
  const limit = LIMITS.nameBytesMax;
  if (bytes < 1 || bytes > limit)
    context.addIssue({ code: "custom", message: `must be 1 to ${limit} bytes, is ${bytes}` });
  if (control) context.addIssue({ code: "custom", message: "must not contain control characters" });
});

/** Whole seconds of a duration text. */
export const durationText = z.string().transform((value, context) => {
  const parsed = parseDuration(value);
  if ("seconds" in parsed) return parsed.seconds;
  context.addIssue({ code: "custom", message: parsed.fault });
  return z.NEVER;
});

const rateWindow = durationText.superRefine((seconds, context) => {
  const longest = LIMITS.rateWindowMsMax / 1000;
  if (seconds > longest) context.addIssue({ code: "custom", message: `must be at most ${longest / 86_400}d` });
});

const timeWindow = z.string().transform((value, context) => {
  const parsed = parseTimeWindow(value);
  if (!("fault" in parsed)) return parsed;
  context.addIssue({ code: "custom", message: parsed.fault, params: { suggestion: parsed.suggestion } });
  return z.NEVER;
});

const U32_MAX = 4_294_967_295;

/** What each condition takes. A condition is an object with exactly one of these keys. */
export const OPERANDS = {
  identity_kind: z.enum(PRINCIPAL_KINDS),
  identity_role: text,
  identity_id: text,
  action: text,
  resource: text,
  param_max: z.strictObject({ field: text, max: z.number() }),
  param_min: z.strictObject({ field: text, min: z.number() }),
  param_in: z.strictObject({ field: text, values: z.array(text) }),
  rate_limit: z.strictObject({
    max: z.int().min(1).max(U32_MAX),
    window: rateWindow,
    count: z.enum(["admissions", "attempts"]).default("admissions"),
  }),
  session_age_max: durationText,
  time_window: timeWindow,
} as const;

export type ConditionKind = keyof typeof OPERANDS;
export const CONDITION_KINDS = Object.keys(OPERANDS) as readonly ConditionKind[];

/** One condition, checked: `{ kind: "param_max", operand: { field: "amount", max: 1000 } }`. */
export type Condition = {
  [K in ConditionKind]: { readonly kind: K; readonly operand: z.output<(typeof OPERANDS)[K]> };
}[ConditionKind];

const condition = z.unknown().transform((value, context): Condition => {
  const keys = value !== null && typeof value === "object" && !Array.isArray(value) ? Object.keys(value) : [];
  const [kind] = keys;
  if (kind === undefined || keys.length !== 1) {
    const count = keys.length === 0 ? shown(value) : `one with ${keys.length}: ${keys.map(shown).join(", ")}`;
    context.addIssue({ code: "custom", message: `must be an object with exactly one key, is ${count}` });
    return z.NEVER;
  }
  if (!Object.hasOwn(OPERANDS, kind)) {
    const suggestion = suggest(kind, CONDITION_KINDS);
    context.addIssue({ code: "custom", path: [kind], message: `unknown condition '${kind}'`, params: { suggestion } });
    return z.NEVER;
  }
  const parsed = OPERANDS[kind as ConditionKind].safeParse((value as Record<string, unknown>)[kind]);
  if (parsed.success) return { kind, operand: parsed.data } as Condition;
  for (const issue of parsed.error.issues) context.addIssue({ ...issue, path: [kind, ...issue.path] });
  return z.NEVER;
});

const policy = z.strictObject({
  name: nameText,
  effect: z.enum(["permit", "refuse"]),
  conditions: z.array(condition),
  description: text.optional(),
  priority: z.int().min(0).max(U32_MAX).default(100),
});

export type Policy = z.output<typeof policy>;

const set = z.strictObject({ policies: z.array(policy).optional(), policy: z.array(policy).optional() });

/** The parts that the published JSON Schema is made from. */
export const policySchemas = { name: nameText, duration: durationText, rateWindow, timeWindow, condition, policy, set };

export type ParsedPolicies =
  | { readonly policies: readonly Policy[] }
  | { readonly issues: readonly z.core.$ZodIssue[] };

export function parsePolicies(value: unknown): ParsedPolicies {
  const parsed = set.safeParse(value);
  if (!parsed.success) return { issues: parsed.error.issues };
  return { policies: parsed.data.policies ?? parsed.data.policy ?? [] };
}

const POLICY_KEYS = Object.keys(policy.shape);
const SET_KEYS = Object.keys(set.shape);

/** The keys that an object at `path` may have. */
export function knownKeys(path: Path): readonly string[] {
  if (path.length === 0) return SET_KEYS;
  if (path.length === 2) return POLICY_KEYS;
  const kind = path.at(-1);
  const operand = CONDITION_KINDS.includes(kind as ConditionKind) ? OPERANDS[kind as ConditionKind] : undefined;
  return operand !== undefined && "shape" in operand ? Object.keys(operand.shape) : [];
}

/** Rules that bind several policies, or several keys of one. Looks at the source itself, so that other faults hide none of them. */
export function crossFaults(value: unknown): SchemaFault[] {
  if (!isObject(value)) return [];
  const faults: SchemaFault[] = [];
  if (Object.hasOwn(value, "policies") && Object.hasOwn(value, "policy")) {
    faults.push({ path: ["policy"], key: "policy", message: "'policies' and its alias 'policy' are both given" });
  }
  for (const listKey of ["policies", "policy"]) {
    const list = value[listKey];
    if (!Array.isArray(list)) continue;
    const firstByName = new Map<string, number>();
    list.forEach((entry: unknown, index) => {
      if (!isObject(entry)) return;
      const name = entry.name;
      const first = typeof name === "string" ? firstByName.get(name) : undefined;
      if (first !== undefined) {
        const message = `name '${String(name)}' is taken by ${listKey}[${first}]`;
        faults.push({ path: [listKey, index, "name"], key: "name", message });
      } else if (typeof name === "string") firstByName.set(name, index);
      faults.push(...limitInRefusal(entry, [listKey, index]));
    });
  }
  return faults;
}

/** A refuse policy with a limit would refuse what is within the limit. */
function limitInRefusal(entry: Record<string, unknown>, path: Path): SchemaFault[] {
  const conditions = entry.conditions;
  if (entry.effect !== "refuse" || !Array.isArray(conditions)) return [];
  return conditions.flatMap((item: unknown, index) =>
    isObject(item) && Object.hasOwn(item, "rate_limit")
      ? [
          {
            path: [...path, "conditions", index, "rate_limit"],
            key: "rate_limit",
            message: "a refuse policy cannot have a rate limit",
          },
        ]
      : [],
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === "object" && !Array.isArray(value);
}
