/** The loader of policies: whatever the text, it says what is wrong or loads exactly what stands there. */
import { loadPolicySet, type PolicySet } from "@kavach/engine";
import { parse as parseToml, stringify as tomlOf } from "smol-toml";
import { readCaseFiles } from "../cases/case-files.ts";
import { contextOf } from "../cases/contexts.ts";
import type { ReferenceSource } from "../reference/source.ts";
import { isPermitted } from "./judged.ts";
import { mutatedValue } from "./mutate-value.ts";
import type { FuzzTarget, Reached } from "./run.ts";

const cases = readCaseFiles().flatMap(({ cases: all }) => all);
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** What is asked of a set that loads. */
const asked = [...cases.filter(({ doors }) => doors.includes("judge")).filter((_, i) => i % 16 === 0)].map(
  ({ ask, nowMs }) => contextOf(ask, nowMs ?? Date.UTC(2026, 5, 15, 12)),
);

const values = cases.flatMap(({ source, doors }) =>
  source.format === "object" && doors.includes("judge") ? [source.value as ReferenceSource] : [],
);
const texts = (format: string) =>
  cases.flatMap(({ source }) => (source.format === "object" || source.format !== format ? [] : [source.text]));

const TOKENS = [
  ...["policies", "policy", "name", "effect", "conditions", "priority", "description", "permit", "refuse"],
  ...[
    "identity_kind",
    "action",
    "rate_limit",
    "time_window",
    "session_age_max",
    "param_max",
    "__proto__",
    "constructor",
  ],
  ...[
    "[[policy]]\n",
    "{",
    "}",
    "[",
    "]",
    '"',
    "'",
    ",",
    ":",
    "=",
    "\n",
    "#",
    "\\u0000",
    "\\",
    "null",
    "true",
    "1e999",
    "-0",
    "nan",
    "inf",
  ],
  ...["1h", "30d", "00:00-24:00", " Asia/Kolkata", "2026-06-15", "*", ".*", "\u0000", "\ud7ff", "\ufeff", '"""'],
];

function target(
  format: "json" | "toml",
  spell: (value: object) => string,
  readPlainly: (text: string) => unknown,
): FuzzTarget {
  const take = (input: Uint8Array): Reached => {
    // As a file is read: what is no UTF-8 becomes a replacement character.
    const text = decoder.decode(input);
    let set: PolicySet;
    try {
      set = loadPolicySet({ format, text }, (bytes) => bytes.slice(0, 32));
    } catch (error) {
      if ((error as Error).name === "PolicyError") return "refused";
      throw error;
    }
    const source = readPlainly(text) as ReferenceSource;
    const permitted = asked.filter((context) => isPermitted(set, source, context));
    return permitted.length > 0 ? "permitted" : "accepted";
  };
  const draw: FuzzTarget["draw"] = (dice) => {
    try {
      return encoder.encode(spell(mutatedValue(dice, values) as object));
    } catch {
      // TOML has no null, and its root is a table.
      return undefined;
    }
  };
  const corpus = [...new Set([...values.map(spell), ...texts(format)])].map((text) => encoder.encode(text));
  return { name: `loader, ${format}`, corpus: corpus.filter(({ length }) => length > 0), tokens: TOKENS, draw, take };
}

export const JSON_LOADER = target("json", JSON.stringify, (text) => JSON.parse(text));
export const TOML_LOADER = target("toml", tomlOf, parseToml);
