/** Loading: three spellings of one schema, every fault at once with its place, and a digest of what was loaded. */
import { describe, expect, test } from "vitest";
import { answerOf, contextOf, judge, noDigest } from "./engine-fixture.ts";
import { PolicyError, type PolicyFault } from "./faults.ts";
import type { PolicySource } from "./policy-reader.ts";
import { loadPolicySet, type PolicySet } from "./policy-set.ts";

function load(source: PolicySource): PolicySet {
  return loadPolicySet(source, noDigest);
}

function faultsOf(source: PolicySource): readonly PolicyFault[] {
  try {
    load(source);
  } catch (error) {
    if (error instanceof PolicyError) return error.faults;
    throw error;
  }
  throw new Error("loaded");
}

/** The canonical text that the digest is taken of. */
function canonicalText(source: PolicySource): string {
  let text = "";
  loadPolicySet(source, (bytes) => {
    text = new TextDecoder().decode(bytes);
    return bytes.slice(0, 32);
  });
  return text;
}

const VALUE = {
  policies: [
    { name: "late", effect: "refuse", conditions: [{ action: "pay" }], priority: 200 },
    {
      name: "small",
      effect: "permit",
      conditions: [
        { identity_kind: "agent" },
        { param_max: { field: "amount", max: 1000 } },
        { rate_limit: { max: 5, window: "1h" } },
        { time_window: "09:00-18:00" },
        { session_age_max: "2h" },
      ],
    },
  ],
};

const TOML = `
[[policy]]
name = "late"
effect = "refuse"
priority = 200
conditions = [ { action = "pay" } ]

[[policy]]
effect = "permit"
name = "small"
conditions = [
  { identity_kind = "agent" },
  { param_max = { max = 1000.0, field = "amount" } },
  { rate_limit = { window = "60m", max = 5, count = "admissions" } },
  { time_window = "09:00-18:00 UTC" },
  { session_age_max = "7200" },
]
`;

describe("one schema", () => {
  test("object, JSON and TOML that say the same have one digest", () => {
    const text = canonicalText({ format: "object", value: VALUE });
    expect(text).toBe(
      '{"policies":[{"conditions":[{"identity_kind":"agent"},{"param_max":{"field":"amount","max":1000}},' +
        '{"rate_limit":{"count":"admissions","max":5,"window":"3600s"}},{"time_window":"09:00-18:00 UTC"},{"session_age_max":"7200s"}],' +
        '"effect":"permit","name":"small","priority":100},' +
        '{"conditions":[{"action":"pay"}],"effect":"refuse","name":"late","priority":200}]}',
    );
    expect(canonicalText({ format: "json", text: JSON.stringify(VALUE, null, 2) })).toBe(text);
    expect(canonicalText({ format: "toml", text: TOML })).toBe(text);
  });

  test("the digest is what the hash says, in lower hex", () => {
    const set = loadPolicySet({ format: "object", value: {} }, () => Uint8Array.of(0, 10, 255));
    expect(set.digest).toBe("000aff");
  });

  test("order is priority, then position", () => {
    const policy = (name: string, priority?: number) => ({
      name,
      effect: "permit",
      conditions: [],
      ...(priority !== undefined && { priority }),
    });
    const set = load({
      format: "object",
      value: { policies: [policy("c"), policy("a", 1), policy("d", 100), policy("b", 99)] },
    });
    expect(set.policies.map(({ name }) => name)).toEqual(["a", "b", "c", "d"]);
  });

  test.each([
    { format: "toml", text: "" },
    { format: "toml", text: "# nothing" },
    { format: "json", text: "{}" },
    { format: "json", text: '{"policies": []}' },
    { format: "object", value: {} },
    { format: "object", value: { policy: [] } },
  ] as const)("empty is valid and refuses everything: %j", (source) => {
    expect(answerOf(judge(load(source), contextOf()))).toBe("NO_POLICY_MATCH");
  });
});

function onePolicy(over: object): PolicySource {
  return { format: "object", value: { policies: [{ name: "p", effect: "permit", conditions: [], ...over }] } };
}

function oneCondition(condition: unknown): PolicySource {
  return onePolicy({ conditions: [condition] });
}

const P = "policies[0]";
const C = `${P}.conditions[0]`;

test.each<readonly [PolicySource, Partial<PolicyFault>]>([
  [
    { format: "object", value: [] },
    { path: "", message: "must be an object, is a list" },
  ],
  [
    { format: "object", value: null },
    { path: "", message: "must be an object, is null" },
  ],
  [
    { format: "object", value: undefined },
    { path: "", message: "must be an object, is undefined" },
  ],
  [
    { format: "object", value: { polices: [] } },
    { path: "polices", key: "polices", suggestion: "policies" },
  ],
  [
    { format: "object", value: { policies: {} } },
    { path: "policies", message: "must be a list, is an object" },
  ],
  [
    { format: "object", value: { policies: [], policy: [] } },
    { path: "policy", key: "policy" },
  ],
  [
    { format: "object", value: { policies: [["p", "permit", []]] } },
    { path: P, message: "must be an object, is a list" },
  ],
  [onePolicy({ name: undefined }), { path: `${P}.name`, key: "name", message: "key 'name' is missing" }],
  [onePolicy({ name: "" }), { path: `${P}.name`, message: "must be 1 to 256 bytes, is 0" }],
  [onePolicy({ name: "é".repeat(129) }), { path: `${P}.name`, message: "must be 1 to 256 bytes, is 258" }],
  [onePolicy({ name: "a\u0000" }), { path: `${P}.name`, message: "must not contain control characters" }],
  [onePolicy({ name: "\ud800" }), { path: `${P}.name`, message: "must be well-formed Unicode" }],
  [onePolicy({ effect: "Permit" }), { path: `${P}.effect`, policy: "p", key: "effect", suggestion: "permit" }],
  [onePolicy({ description: null }), { path: `${P}.description`, message: "must be a string, is null" }],
  [onePolicy({ priority: -1 }), { path: `${P}.priority`, message: "must be at least 0, is -1" }],
  [onePolicy({ priority: 2 ** 32 }), { path: `${P}.priority`, message: "must be at most 4294967295, is 4294967296" }],
  [onePolicy({ priority: 1.5 }), { path: `${P}.priority`, message: "must be a whole number, is 1.5" }],
  [onePolicy({ conditons: [] }), { path: `${P}.conditons`, key: "conditons", policy: "p", suggestion: "conditions" }],
  [
    onePolicy(JSON.parse('{"__proto__": 1}')),
    { path: `${P}.__proto__`, key: "__proto__", message: "unknown key '__proto__'" },
  ],
  [oneCondition({}), { path: C }],
  [oneCondition({ action: "a", resource: "b" }), { path: C }],
  [oneCondition("action"), { path: C, message: "must be an object with exactly one key, is 'action'" }],
  [oneCondition({ acton: "a" }), { path: `${C}.acton`, key: "acton", suggestion: "action" }],
  [oneCondition({ constructor: "a" }), { path: `${C}.constructor`, message: "unknown condition 'constructor'" }],
  [oneCondition({ identity_kind: "agnet" }), { path: `${C}.identity_kind`, suggestion: "agent" }],
  [oneCondition({ identity_role: ["a"] }), { path: `${C}.identity_role`, message: "must be a string, is a list" }],
  [
    oneCondition({ param_max: { field: "x", max: "1" } }),
    { path: `${C}.param_max.max`, message: "must be a finite number, is '1'" },
  ],
  [oneCondition({ param_max: { field: "x", max: Number.NaN } }), { path: `${C}.param_max.max` }],
  [oneCondition({ param_max: { field: "x" } }), { path: `${C}.param_max.max`, message: "key 'max' is missing" }],
  [
    oneCondition({ param_max: { field: "x", max: 1, feild: 2 } }),
    { path: `${C}.param_max.feild`, suggestion: "field" },
  ],
  [
    oneCondition({ param_in: { field: "x", values: [1] } }),
    { path: `${C}.param_in.values[0]`, message: "must be a string, is 1" },
  ],
  [
    oneCondition({ rate_limit: { max: 0, window: "1h" } }),
    { path: `${C}.rate_limit.max`, message: "must be at least 1, is 0" },
  ],
  [
    oneCondition({ rate_limit: { max: 1, window: "31d" } }),
    { path: `${C}.rate_limit.window`, message: "must be at most 30d" },
  ],
  [
    oneCondition({ rate_limit: { max: 1, window: "0s" } }),
    { path: `${C}.rate_limit.window`, message: "a duration of zero" },
  ],
  [
    oneCondition({ rate_limit: { max: 1, window: 60 } }),
    { path: `${C}.rate_limit.window`, message: "must be a string, is 60" },
  ],
  [
    oneCondition({ rate_limit: { max: 1, window: "1h", count: "attempt" } }),
    { path: `${C}.rate_limit.count`, suggestion: "attempts" },
  ],
  [oneCondition({ session_age_max: "1h30m" }), { path: `${C}.session_age_max`, policy: "p", key: "session_age_max" }],
  [oneCondition({ time_window: "9:00-18:00" }), { path: `${C}.time_window` }],
  [
    oneCondition({ time_window: "09:00-18:00 Asia/Kolkatta" }),
    { path: `${C}.time_window`, suggestion: "Asia/Kolkata" },
  ],
  [
    onePolicy({ effect: "refuse", conditions: [{ rate_limit: { max: 1, window: "1h" } }] }),
    { path: `${C}.rate_limit` },
  ],
])("%j", (source, fault) => {
  const faults = faultsOf(source);
  expect(faults).toHaveLength(1);
  expect(faults[0]).toMatchObject(fault);
});

test("names are unique", () => {
  const twice = { name: "p", effect: "permit", conditions: [] };
  const faults = faultsOf({ format: "object", value: { policies: [twice, twice] } });
  expect(faults).toEqual([
    { path: "policies[1].name", policy: "p", key: "name", message: "name 'p' is taken by policies[0]" },
  ]);
});

test("every fault at once, each with file, line, column, policy, path, key and suggestion", () => {
  const text = `[[policy]]
name = "a"
effect = "permit"
efect = 3
conditions = [
  { identity_knd = "agent" },
  { rate_limit = { max = 1, window = "1h30m" } },
]
[[policy]]
name = "a"
effect = "permit"
conditions = []
`;
  expect(
    faultsOf({ format: "toml", text, file: "p.toml" }).toSorted((a, b) => (a.line ?? 0) - (b.line ?? 0)),
  ).toMatchObject([
    { file: "p.toml", line: 4, column: 1, policy: "a", path: "policy[0].efect", key: "efect", suggestion: "effect" },
    { line: 6, column: 5, policy: "a", path: "policy[0].conditions[0].identity_knd", suggestion: "identity_kind" },
    { line: 7, column: 29, policy: "a", path: "policy[0].conditions[1].rate_limit.window", key: "window" },
    { line: 10, column: 1, policy: "a", path: "policy[1].name", key: "name" },
  ]);
  const file = { format: "toml", text, file: "p.toml" } as const;
  expect(() => load(file)).toThrow(
    "p.toml:4:1: policy 'a': policy[0].efect: unknown key 'efect', did you mean 'effect'?",
  );
});

describe("texts", () => {
  test.each([
    ["toml", "a = ", { line: 1 }],
    [
      "toml",
      "[[policy]]\nname = 1\nname = 2",
      { line: 3, column: 1, path: "policy[0].name", key: "name", message: "repeated key 'name'" },
    ],
    ["toml", '[[policy]]\nname = "p"\n"name" = "q"', { line: 3, policy: "p", path: "policy[0].name", key: "name" }],
    ["toml", '[[policy]]\nname = "p"\neffect = "permit"\nconditions = [{ action = "a", action = "b" }]', { line: 4 }],
    ["json", "", { path: "" }],
    ["json", "[1,]", { line: 1 }],
    [
      "json",
      '[\n"\u0001"]',
      { line: 2, column: 2, message: "malformed JSON: Bad control character in string literal" },
    ],
    ["json", "{'policies': []}", { line: 1 }],
    ["json", '{"policies": [] // comment\n}', { line: 1 }],
    [
      "json",
      '{"policies": [],\n "policies": []}',
      { line: 2, column: 2, path: "policies", key: "policies", message: "repeated key 'policies'" },
    ],
    ["json", "[".repeat(200_000), { path: "", message: "malformed JSON: nested too deeply" }],
    ["toml", `a = ${"[".repeat(200_000)}`, { path: "" }],
  ] as const)("%s %.40j", (format, text, fault) => {
    expect(faultsOf({ format, text, file: "f" })[0]).toMatchObject({ file: "f", ...fault });
  });

  test("a repeated key in JSON is a fault wherever it stands, and names its policy", () => {
    const text =
      '{"policies": [{"name": "p", "effect": "refuse", "conditions": [{"param_max": {"field": "x", "max": 1, "max": 9}}]}]}';
    expect(faultsOf({ format: "json", text })).toEqual([
      {
        line: 1,
        column: text.lastIndexOf('"max"') + 1,
        policy: "p",
        path: `${C}.param_max.max`,
        key: "max",
        message: "repeated key 'max'",
      },
    ]);
  });
});
