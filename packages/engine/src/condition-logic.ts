/** What can be said about conditions without an action: which exclude each other, and which follow from which. */
import { LIMITS, measureText } from "@kavach/model";
import type { Effect } from "./conditions.ts";
import { type Pattern, parsePattern } from "./pattern.ts";
import type { Condition } from "./policy-schema.ts";
import type { TimeWindow } from "./time-window.ts";

/** `never`: nothing meets it. `errors_only`: nothing but a param of the wrong type meets it, which a refuse policy counts as met. */
export type Clash = "never" | "errors_only";

/** What a condition alone rules out, in a policy of this effect. */
export function clashAlone(condition: Condition, effect: Effect): Clash | undefined {
  switch (condition.kind) {
    case "identity_id":
    case "identity_role":
      return isPossible(condition.operand, LIMITS.nameBytesMax) ? undefined : "never";
    case "action":
      return patternIsPossible(condition.operand, LIMITS.nameBytesMax) ? undefined : "never";
    case "resource":
      return patternIsPossible(condition.operand, LIMITS.resourceBytesMax) ? undefined : "never";
    case "param_in":
      return condition.operand.values.length === 0 ? paramClash(effect) : undefined;
    default:
      return undefined;
  }
}

/** What two conditions rule out together, in a policy of this effect. */
export function clashOf(a: Condition, b: Condition, effect: Effect): Clash | undefined {
  if (a.kind === "identity_kind" && b.kind === "identity_kind") return never(a.operand !== b.operand);
  if (a.kind === "identity_id" && b.kind === "identity_id") return never(a.operand !== b.operand);
  if ((a.kind === "action" && b.kind === "action") || (a.kind === "resource" && b.kind === "resource")) {
    return never(arePatternsDisjoint(parsePattern(a.operand), parsePattern(b.operand)));
  }
  if (a.kind === "time_window" && b.kind === "time_window") return never(areWindowsDisjoint(a.operand, b.operand));
  return paramsClash(a, b, effect) ?? paramsClash(b, a, effect);
}

function paramsClash(a: Condition, b: Condition, effect: Effect): Clash | undefined {
  if (a.kind === "param_max" && b.kind === "param_min") {
    return a.operand.field === b.operand.field && a.operand.max < b.operand.min ? paramClash(effect) : undefined;
  }
  if (a.kind !== "param_in") return undefined;
  if (b.kind === "param_in") {
    const { field, values } = b.operand;
    const apart = a.operand.field === field && !a.operand.values.some((value) => values.includes(value));
    return apart ? paramClash(effect) : undefined;
  }
  // One wants a string, the other a number: in a refuse policy each takes the other's for an error, and holds.
  if ((b.kind === "param_max" || b.kind === "param_min") && a.operand.field === b.operand.field) {
    return never(effect === "permit");
  }
  return undefined;
}

/** True when whatever meets all of `given`, in a policy of `givenEffect`, meets `wanted` in one of `wantedEffect`. */
export function follows(
  wanted: Condition,
  wantedEffect: Effect,
  given: readonly Condition[],
  givenEffect: Effect,
): boolean {
  if (wanted.kind === "action" && isEverything(parsePattern(wanted.operand))) return true;
  if (wanted.kind === "time_window" && isWholeDay(wanted.operand)) return true;
  // Given by a wrong type, wanted without one: the one holds where the other does not.
  const typesAgree = givenEffect === "permit" || wantedEffect === "refuse";
  return given.some((condition) => followsFrom(condition, wanted, typesAgree));
}

function followsFrom(given: Condition, wanted: Condition, typesAgree: boolean): boolean {
  switch (wanted.kind) {
    case "identity_kind":
    case "identity_role":
    case "identity_id":
      return given.kind === wanted.kind && given.operand === wanted.operand;
    case "action":
    case "resource":
      return given.kind === wanted.kind && isWithin(parsePattern(given.operand), parsePattern(wanted.operand));
    case "param_max":
      return (
        typesAgree && given.kind === "param_max" && sameField(given, wanted) && given.operand.max <= wanted.operand.max
      );
    case "param_min":
      return (
        typesAgree && given.kind === "param_min" && sameField(given, wanted) && given.operand.min >= wanted.operand.min
      );
    case "param_in": {
      const { values } = wanted.operand;
      if (!typesAgree || given.kind !== "param_in" || !sameField(given, wanted)) return false;
      return given.operand.values.every((value) => values.includes(value));
    }
    case "session_age_max":
      return given.kind === "session_age_max" && given.operand <= wanted.operand;
    case "time_window":
      return given.kind === "time_window" && isWindowWithin(given.operand, wanted.operand);
    case "rate_limit":
      return false;
  }
}

interface OfField {
  readonly operand: { readonly field: string };
}

function sameField(a: OfField, b: OfField): boolean {
  return a.operand.field === b.operand.field;
}

function never(excluded: boolean): Clash | undefined {
  return excluded ? "never" : undefined;
}

function paramClash(effect: Effect): Clash {
  return effect === "permit" ? "never" : "errors_only";
}

/** The input limits let such a text in. */
function isPossible(text: string, bytesMax: number): boolean {
  const { bytes, control } = measureText(text);
  return bytes > 0 && bytes <= bytesMax && !control;
}

function patternIsPossible(source: string, bytesMax: number): boolean {
  const pattern = parsePattern(source);
  return isEverything(pattern) || isPossible(pattern.text, bytesMax);
}

function isEverything(pattern: Pattern): boolean {
  return pattern.kind === "prefix" && pattern.text === "";
}

function arePatternsDisjoint(a: Pattern, b: Pattern): boolean {
  if (a.kind === "prefix" && b.kind === "prefix") return !a.text.startsWith(b.text) && !b.text.startsWith(a.text);
  return !isWithin(a, b) && !isWithin(b, a);
}

/** Everything that `inner` matches `outer` matches. */
function isWithin(inner: Pattern, outer: Pattern): boolean {
  if (outer.kind === "prefix") return inner.text.startsWith(outer.text);
  return inner.kind === "exact" && inner.text === outer.text;
}

const DAY_MS = 86_400_000;

/** The stretches of one day, both ends inclusive. */
function stretches({ startMs, endMs }: TimeWindow): (readonly [number, number])[] {
  if (startMs <= endMs) return [[startMs, endMs]];
  return [
    [0, endMs],
    [startMs, DAY_MS],
  ];
}

function isWholeDay({ startMs, endMs }: TimeWindow): boolean {
  return startMs === 0 && endMs === DAY_MS;
}

/** Of windows in different zones nothing is said. */
function areWindowsDisjoint(a: TimeWindow, b: TimeWindow): boolean {
  if (a.zone !== b.zone) return false;
  return stretches(a).every(([start, end]) => stretches(b).every(([from, to]) => end < from || to < start));
}

function isWindowWithin(inner: TimeWindow, outer: TimeWindow): boolean {
  if (inner.zone !== outer.zone) return false;
  return stretches(inner).every(([start, end]) => stretches(outer).some(([from, to]) => from <= start && end <= to));
}
