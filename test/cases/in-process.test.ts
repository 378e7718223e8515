/** Every decision case on the judge, the engine, the conductor and the embedded gate; and that there are as many as there must be. */
import { readFileSync } from "node:fs";
import { PRINCIPAL_KINDS, REFUSE_CODES } from "@kavach/model";
import { Ajv2020 } from "ajv/dist/2020.js";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { type DoorHabits, expectAnswer } from "./answers.ts";
import { type Case, readCaseFiles } from "./case-files.ts";
import { caseJsonSchema, type Door } from "./case-schema.ts";
import { askConductor } from "./conductor-door.ts";
import { askEngine, askJudge } from "./engine-door.ts";
import { askGate } from "./gate-door.ts";

const files = readCaseFiles();
const cases = files.flatMap((file) => file.cases);
const habits: DoorHabits = { spell: (field) => field, stillClock: true };

function casesOf(door: Door): (readonly [string, Case])[] {
  return cases.filter(({ doors }) => doors.includes(door)).map((one) => [one.id, one]);
}

describe("the judge", () => {
  test.each(casesOf("judge"))("%s", (_id, one) => expectAnswer(one, askJudge(one), habits));
});

describe("the engine", () => {
  test.each(casesOf("engine"))("%s", (_id, one) => expectAnswer(one, askEngine(one), habits));
});

describe("the conductor", () => {
  test.each(casesOf("conductor"))("%s", async (_id, one) => expectAnswer(one, await askConductor(one), habits));
});

describe("the embedded gate", () => {
  const spell = (field: string) => (field === "drift.geoMaxKm" ? "geoDriftMaxKm" : field);
  test.each(casesOf("gate"))("%s", async (_id, one) => expectAnswer(one, await askGate(one), { ...habits, spell }));
});

describe("the files", () => {
  test("hold at least 300 cases, each run somewhere", () => {
    expect(cases.length).toBeGreaterThanOrEqual(300);
    for (const { id, doors } of cases) expect(doors, id).not.toEqual([]);
  });

  test("speak of everything the contract names", () => {
    const text = files.map(({ file }) => readFileSync(new URL(file, import.meta.url), "utf8")).join("\n");
    const conditions = Object.keys(conditionKeys());
    const invariants = [
      "param_max",
      "param_min",
      "max_actions_per_session",
      "max_session_age",
      "allowed_actions",
      "blocked_actions",
    ];
    const codes = REFUSE_CODES.filter((code) => !["IDENTITY_FAILED", "PERMIT_EXPIRED"].includes(code));
    for (const word of [...conditions, ...invariants, ...codes, ...PRINCIPAL_KINDS]) expect(text).toContain(word);
  });

  test("have a schema that is up to date", () => {
    const published = JSON.parse(readFileSync(new URL("case.schema.json", import.meta.url), "utf8")) as object;
    expect(published).toEqual(caseJsonSchema());
    const validate = new Ajv2020({ strict: false }).compile(published);
    for (const { file } of files) {
      const content: unknown = parse(readFileSync(new URL(file, import.meta.url), "utf8"));
      expect(validate(content), file).toBe(true);
    }
    expect(validate({ about: "nothing", cases: [{ name: "a", expct: "permit" }] })).toBe(false);
  });
});

function conditionKeys(): object {
  const policySchema = JSON.parse(
    readFileSync(new URL("../../docs/reference/policy.schema.json", import.meta.url), "utf8"),
  ) as { $defs: { policy: { properties: { conditions: { items: { properties: object } } } } } };
  return policySchema.$defs.policy.properties.conditions.items.properties;
}
