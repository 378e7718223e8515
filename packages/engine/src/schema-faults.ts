/** Turns what the schemas find into faults in this product's words. */
import type { z } from "zod";
import type { OptionFault } from "./faults.ts";
import { type Path, pathText } from "./source-document.ts";
import { suggest } from "./suggest.ts";

export interface SchemaFault {
  readonly path: Path;
  readonly key?: string;
  readonly message: string;
  readonly suggestion?: string;
}

type Issue = z.core.$ZodIssue;

/** Rules of our own report through `params.suggestion`; keys of an object are looked up in `knownKeys` by their path. */
export function schemaFaults(
  issues: readonly Issue[],
  value: unknown,
  knownKeys: (path: Path) => readonly string[],
): SchemaFault[] {
  return issues.flatMap((issue) => issueFaults(issue, value, knownKeys));
}

function issueFaults(issue: Issue, value: unknown, knownKeys: (path: Path) => readonly string[]): SchemaFault[] {
  const path = issue.path as Path;
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => {
      const meant = suggest(key, knownKeys(path));
      return {
        path: [...path, key],
        key,
        message: `unknown key '${key}'`,
        ...(meant !== undefined && { suggestion: meant }),
      };
    });
  }
  const key = path.findLast((part) => typeof part === "string");
  const at = { path, ...(key !== undefined && { key }) };
  if (issue.code === "custom") {
    const meant: unknown = issue.params?.suggestion;
    return [{ ...at, message: issue.message, ...(typeof meant === "string" && { suggestion: meant }) }];
  }
  const given = valueAt(value, path);
  if (given === undefined && path.length > 0) return [{ ...at, message: `key '${String(path.at(-1))}' is missing` }];
  if (issue.code === "invalid_value") {
    const allowed = issue.values.map(String);
    const meant = typeof given === "string" ? suggest(given, allowed) : undefined;
    const message = `must be one of ${allowed.join(", ")}, is ${shown(given)}`;
    return [{ ...at, message, ...(meant !== undefined && { suggestion: meant }) }];
  }
  if (issue.code === "invalid_type")
    return [{ ...at, message: `must be ${article(issue.expected)}, is ${shown(given)}` }];
  if (issue.code === "too_small") return [{ ...at, message: `must be at least ${issue.minimum}, is ${shown(given)}` }];
  if (issue.code === "too_big") return [{ ...at, message: `must be at most ${issue.maximum}, is ${shown(given)}` }];
  return [{ ...at, message: issue.message }];
}

export function optionFault({ path, key, message, suggestion }: SchemaFault): OptionFault {
  return {
    path: pathText(path),
    ...(key !== undefined && { key }),
    message,
    ...(suggestion !== undefined && { suggestion }),
  };
}

/** What a schema of options found, as faults; the keys of the object at a path are those of `knownKeys`. */
export function optionFaults(
  issues: readonly Issue[],
  options: unknown,
  knownKeys: (path: Path) => readonly string[],
): OptionFault[] {
  return schemaFaults(issues, options, knownKeys).map(optionFault);
}

const NOUNS: Readonly<Record<string, string>> = {
  array: "a list",
  object: "an object",
  string: "a string",
  number: "a finite number",
  int: "a whole number",
  boolean: "true or false",
  function: "a function",
};

function article(expected: string): string {
  return NOUNS[expected] ?? expected;
}

/** A value as a message may show it: scalars themselves, shortened; of everything else only what it is. */
export function shown(value: unknown): string {
  if (typeof value === "string") return `'${value.length > 64 ? `${value.slice(0, 64)}…` : value}'`;
  if (Array.isArray(value)) return "a list";
  if (value instanceof Date) return "a date";
  if (value !== null && typeof value === "object") return "an object";
  return typeof value === "function" ? "a function" : String(value);
}

export function valueAt(value: unknown, path: Path): unknown {
  let here: unknown = value;
  for (const part of path) {
    if (here === null || typeof here !== "object" || !Object.hasOwn(here, part)) return undefined;
    here = (here as Record<string | number, unknown>)[part];
  }
  return here;
}
