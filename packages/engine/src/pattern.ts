/** Patterns of action and resource names: exact, or a prefix by a trailing `*` or `.*`. Nothing else is special. */

export interface Pattern {
  readonly kind: "exact" | "prefix";
  readonly text: string;
}

/** `refund.*` is a prefix match on what stands before it, so it matches `refund` and `refunds` too. */
export function parsePattern(source: string): Pattern {
  if (source.endsWith(".*")) return { kind: "prefix", text: source.slice(0, -2) };
  if (source.endsWith("*")) return { kind: "prefix", text: source.slice(0, -1) };
  return { kind: "exact", text: source };
}

export function patternMatches(pattern: Pattern, value: string): boolean {
  return pattern.kind === "exact" ? value === pattern.text : value.startsWith(pattern.text);
}
