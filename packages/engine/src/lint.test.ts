/** What lint finds, and what it leaves alone. */
import { describe, expect, test } from "vitest";
import { lintPolicySet } from "./lint.ts";

type Given = readonly Readonly<Record<string, unknown>>[];

function codes(policies: Given): string[] {
  const named = policies.map((policy, i) => ({ name: `p${i}`, effect: "permit", ...policy }));
  return lintPolicySet({ format: "object", value: { policies: named } }).map(({ code, path }) => `${code} ${path}`);
}

const act = { action: "act" };
const at = (kind: string, condition = 0, policy = 0) => `policies[${policy}].conditions[${condition}].${kind}`;
const max = (bound: number, field = "x") => ({ param_max: { field, max: bound } });
const min = (bound: number, field = "x") => ({ param_min: { field, min: bound } });
const oneOf = (...values: string[]) => ({ param_in: { field: "x", values } });
const limit = { rate_limit: { max: 1, window: "1h" } };

describe("alone", () => {
  test.each<readonly [unknown[], string[]]>([
    [[], ["EMPTY_CONDITIONS policies[0].conditions"]],
    [[{ action: "refund.*" }], [`SURPRISING_PATTERN ${at("action")}`]],
    [[{ action: ".*" }], [`SURPRISING_PATTERN ${at("action")}`]],
    [[{ action: "a*b" }], [`SURPRISING_PATTERN ${at("action")}`]],
    [[{ action: "**" }], [`SURPRISING_PATTERN ${at("action")}`]],
    [[act, { resource: "*/orders/*" }], [`SURPRISING_PATTERN ${at("resource", 1)}`]],
    [[{ identity_id: "agent-*" }], [`SURPRISING_PATTERN ${at("identity_id")}`]],
    [[{ identity_role: "*" }], [`SURPRISING_PATTERN ${at("identity_role")}`]],
    [[{ action: "*" }], []],
    [[{ action: "refund*" }], []],
    [[{ action: "refund." }], []],
    [[limit], []],
  ])("%j: %j", (conditions, expected) => {
    expect(codes([{ conditions }])).toEqual(expected);
  });
});

describe("conditions that exclude each other", () => {
  const unmeetable: readonly (readonly [unknown[], string])[] = [
    [[{ identity_kind: "user" }, { identity_kind: "agent" }], at("identity_kind", 1)],
    [[{ identity_id: "a" }, { identity_id: "b" }], at("identity_id", 1)],
    [[{ action: "a" }, { action: "b" }], at("action", 1)],
    [[{ action: "a*" }, { action: "b" }], at("action", 1)],
    [[{ action: "ab*" }, { action: "ac*" }], at("action", 1)],
    [[{ resource: "a" }, { resource: "b*" }], at("resource", 1)],
    [[{ time_window: "09:00-10:00" }, { time_window: "10:01-11:00" }], at("time_window", 1)],
    [[{ time_window: "22:00-02:00" }, { time_window: "03:00-21:00" }], at("time_window", 1)],
    [[{ identity_id: "" }], at("identity_id")],
    [[{ identity_role: "é".repeat(129) }], at("identity_role")],
    [[{ action: "" }], at("action")],
    [[{ action: "bell\u0007" }], at("action")],
    [[{ resource: "r".repeat(1025) }], at("resource")],
  ];
  test.each(unmeetable)("%j: neither permits nor refuses", (conditions, place) => {
    expect(codes([{ conditions }])).toEqual([`PERMIT_NEVER_MATCHES ${place}`]);
    expect(codes([{ effect: "refuse", conditions }])).toEqual([`REFUSE_NEVER_MATCHES ${place}`]);
  });

  // A param of the wrong type meets a refuse policy.
  test.each<readonly [unknown[], string]>([
    [[max(1), min(2)], at("param_min", 1)],
    [[oneOf()], at("param_in")],
    [[oneOf("a"), oneOf("b")], at("param_in", 1)],
  ])("%j: permits nothing, refuses wrong types", (conditions, place) => {
    expect(codes([{ conditions }])).toEqual([`PERMIT_NEVER_MATCHES ${place}`]);
    expect(codes([{ effect: "refuse", conditions }])).toEqual([`REFUSE_ON_ERRORS_ONLY ${place}`]);
  });

  test("a string and a number at once: permits nothing, refuses either", () => {
    const conditions = [oneOf("a"), max(1)];
    expect(codes([{ conditions }])).toEqual([`PERMIT_NEVER_MATCHES ${at("param_max", 1)}`]);
    expect(codes([{ effect: "refuse", conditions }])).toEqual([]);
  });

  test.each([
    [[{ identity_role: "a" }, { identity_role: "b" }]],
    [[{ action: "a*" }, { action: "ab" }]],
    [[max(2), min(2)]],
    [[max(1), min(2, "y")]],
    [[oneOf("a", "b"), oneOf("b")]],
    [[{ time_window: "09:00-10:00" }, { time_window: "10:00-11:00" }]],
    [[{ time_window: "09:00-10:00" }, { time_window: "12:00-13:00 Asia/Tokyo" }]],
    [[{ time_window: "22:00-02:00" }, { time_window: "01:00-03:00" }]],
  ])("%j can be met", (conditions) => {
    expect(codes([{ effect: "refuse", conditions }])).toEqual([]);
  });
});

const covered: readonly (readonly [string, unknown[], unknown[]])[] = [
  ["the same", [act, max(5)], [act, max(5)]],
  ["an exact name under a prefix", [{ action: "a*" }], [{ action: "ab" }]],
  ["a longer prefix under a shorter", [{ resource: "a*" }], [{ resource: "ab*" }]],
  ["any action", [{ action: "*" }], [max(5)]],
  ["any hour", [act, { time_window: "00:00-24:00 Asia/Tokyo" }], [act]],
  ["more conditions", [act], [act, { identity_kind: "agent" }, { identity_role: "r" }, { identity_id: "i" }]],
  ["a lower bound of max", [act, max(5)], [act, max(4)]],
  ["a higher bound of min", [act, min(5)], [act, min(6)]],
  ["fewer values", [act, oneOf("a", "b")], [act, oneOf("b")]],
  ["a younger session", [act, { session_age_max: "2h" }], [act, { session_age_max: "60m" }]],
  ["fewer hours", [act, { time_window: "22:00-03:00" }], [act, { time_window: "23:00-02:00" }]],
  ["a limit of its own", [act], [act, limit]],
];

const apart: readonly (readonly [string, unknown[], unknown[]])[] = [
  ["another name", [act], [{ action: "other" }]],
  ["a prefix after an exact name", [{ action: "ab" }], [{ action: "a*" }]],
  ["a limit, which fills", [act, limit], [act]],
  ["any resource, which there need not be", [act, { resource: "*" }], [act]],
  ["another role", [act, { identity_role: "r" }], [act, { identity_role: "s" }]],
  ["a higher bound of max", [act, max(5)], [act, max(6)]],
  ["another field", [act, max(5)], [act, max(4, "y")]],
  ["more values", [act, oneOf("b")], [act, oneOf("a", "b")]],
  ["an older session", [act, { session_age_max: "1h" }], [act, { session_age_max: "2h" }]],
  ["more hours", [act, { time_window: "10:00-11:00" }], [act, { time_window: "09:00-12:00" }]],
  ["other zones", [act, { time_window: "10:00-11:00" }], [act, { time_window: "10:00-11:00 Asia/Tokyo" }]],
];

describe("order", () => {
  test.each(covered)("%s: the later never decides", (_name, first, second) => {
    const permits = [{ conditions: first }, { conditions: second }];
    expect(codes(permits)).toEqual(["UNREACHABLE_POLICY policies[1]"]);
    expect(codes([{ effect: "refuse", conditions: first }, { conditions: second }])).toEqual([
      "SHADOWED_PERMIT policies[1]",
    ]);
  });

  test.each(apart)("%s: the later decides", (_name, first, second) => {
    expect(codes([{ conditions: first }, { conditions: second }])).toEqual([]);
  });

  test("what a permit leaves a refuse policy: a param of the wrong type", () => {
    expect(codes([{ conditions: [act, max(5)] }, { effect: "refuse", conditions: [act, max(5)] }])).toEqual([]);
    expect(codes([{ conditions: [act] }, { effect: "refuse", conditions: [act, max(5)] }])).toEqual([
      "UNREACHABLE_POLICY policies[1]",
    ]);
  });

  test("priority, not position, says what comes first", () => {
    expect(codes([{ conditions: [act] }, { conditions: [act, max(5)], priority: 1 }])).toEqual([]);
    expect(codes([{ conditions: [act, max(5)] }, { conditions: [act], priority: 1 }])).toEqual([
      "UNREACHABLE_POLICY policies[0]",
    ]);
  });
});

describe("gaps", () => {
  const gapAt = (policy: number) => [`PARAM_GAP policies[${policy}].conditions[1].param_min`];

  test.each<readonly [string, Given, string[]]>([
    ["a gap", [{ conditions: [act, max(1000)] }, { conditions: [act, min(1000.01)] }], gapAt(1)],
    ["whichever comes first", [{ conditions: [act, min(6)] }, { conditions: [act, max(5)] }], gapAt(0)],
    [
      "permit below, refuse above",
      [{ conditions: [act, max(5)] }, { effect: "refuse", conditions: [act, min(9)] }],
      gapAt(1),
    ],
    [
      "the nearest only",
      [{ conditions: [act, max(1)] }, { conditions: [act, min(9)] }, { conditions: [act, min(5)] }],
      gapAt(2),
    ],
    ["touching", [{ conditions: [act, max(5)] }, { conditions: [act, min(5)] }], []],
    [
      "bridged",
      [{ conditions: [act, max(1)] }, { conditions: [act, min(1), max(5)] }, { conditions: [act, min(5)] }],
      [],
    ],
    ["other actions", [{ conditions: [act, max(1)] }, { conditions: [{ action: "b" }, min(5)] }], []],
    [
      "other kinds",
      [{ conditions: [{ identity_kind: "user" }, max(1)] }, { conditions: [{ identity_kind: "agent" }, min(5)] }],
      [],
    ],
    ["other fields", [{ conditions: [act, max(1)] }, { conditions: [act, min(5, "y")] }], []],
  ])("%s", (_name, policies, expected) => {
    expect(codes(policies)).toEqual(expected);
  });

  test("it says which values", () => {
    const policies = [
      { name: "small", effect: "permit", conditions: [act, max(1000)] },
      { name: "large", effect: "permit", conditions: [act, min(5000)] },
    ];
    expect(lintPolicySet({ format: "object", value: { policies } })).toEqual([
      {
        code: "PARAM_GAP",
        policy: "large",
        path: "policies[1].conditions[1].param_min",
        message: "values of 'x' above 1000 and below 5000 are matched neither by 'small' nor by this policy",
      },
    ]);
  });
});

test("findings carry file, line and column, and the source's own spelling of the list", () => {
  const text = `[[policy]]\nname = "all"\neffect = "permit"\nconditions = []\n`;
  expect(lintPolicySet({ format: "toml", text, file: "p.toml" })).toMatchObject([
    { code: "EMPTY_CONDITIONS", policy: "all", path: "policy[0].conditions", file: "p.toml", line: 4, column: 1 },
  ]);
});

test("what does not load is not linted", () => {
  expect(() => lintPolicySet({ format: "toml", text: "[[policy]]" })).toThrow("policy set is invalid");
});
