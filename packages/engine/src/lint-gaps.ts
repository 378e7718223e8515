/** Gaps: values that fall between the `param_max` of one policy and the `param_min` of the next. */
import { clashOf } from "./condition-logic.ts";
import type { PlacedPolicy, Remark } from "./lint.ts";
import { plainNumber } from "./number-text.ts";
import type { Condition } from "./policy-schema.ts";

/** The values of one field that a policy matches. */
interface Range extends PlacedPolicy {
  readonly min: number;
  readonly max: number;
  /** Where its `param_min` stands among its conditions. */
  readonly minAt: number;
  /** Its other conditions. */
  readonly others: readonly Condition[];
}

/** A gap is reported at the upper policy. Policies that never meet, such as those of different actions, are no neighbours. */
export function lintGaps(placed: readonly PlacedPolicy[]): Remark[] {
  return fieldsOf(placed).flatMap((field) => {
    const ranges = placed.flatMap((one) => rangeOf(one, field));
    return ranges.flatMap((lower) => gapAbove(lower, ranges, field));
  });
}

function fieldsOf(placed: readonly PlacedPolicy[]): string[] {
  const conditions = placed.flatMap(({ policy }) => policy.conditions);
  return [...new Set(conditions.flatMap((condition) => boundedField(condition) ?? []))];
}

function boundedField(condition: Condition): string | undefined {
  return condition.kind === "param_max" || condition.kind === "param_min" ? condition.operand.field : undefined;
}

function rangeOf({ index, policy }: PlacedPolicy, field: string): Range[] {
  let min = Number.NEGATIVE_INFINITY;
  let max = Number.POSITIVE_INFINITY;
  let minAt = -1;
  for (const [i, condition] of policy.conditions.entries()) {
    if (boundedField(condition) !== field) continue;
    if (condition.kind === "param_max") max = Math.min(max, condition.operand.max);
    if (condition.kind === "param_min" && condition.operand.min >= min) {
      min = condition.operand.min;
      minAt = i;
    }
  }
  if (min > max || (min === Number.NEGATIVE_INFINITY && max === Number.POSITIVE_INFINITY)) return [];
  return [{ index, policy, min, max, minAt, others: policy.conditions.filter((one) => boundedField(one) !== field) }];
}

function gapAbove(lower: Range, ranges: readonly Range[], field: string): Remark[] {
  if (lower.max === Number.POSITIVE_INFINITY) return [];
  const neighbours = ranges.filter((range) => range !== lower && canMeet(lower, range));
  if (neighbours.some(({ min, max }) => min <= lower.max && max > lower.max)) return [];
  // Two policies that end at the same value leave one gap, which the first of them reports.
  if (neighbours.some(({ max, index }) => max === lower.max && index < lower.index)) return [];
  const above = neighbours.filter(({ min }) => min > lower.max);
  const [upper] = above.toSorted((a, b) => a.min - b.min);
  if (upper === undefined) return [];
  const between = `above ${plainNumber(lower.max)} and below ${plainNumber(upper.min)}`;
  const message = `values of '${field}' ${between} are matched neither by '${lower.policy.name}' nor by this policy`;
  return [{ code: "PARAM_GAP", index: upper.index, path: ["conditions", upper.minAt, "param_min"], message }];
}

/** One action can meet the other conditions of both. */
function canMeet(a: Range, b: Range): boolean {
  return !a.others.some((one) => b.others.some((other) => clashOf(one, other, "refuse") === "never"));
}
