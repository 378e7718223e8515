/** Every example of the reference of the policy language does what the page says it does. */
import { readFileSync } from "node:fs";
import { lintPolicySet, loadPolicySet, type PolicySource } from "@kavach/engine";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { expectAnswer } from "../cases/answers.ts";
import { casesIn } from "../cases/case-files.ts";
import { askConductor } from "../cases/conductor-door.ts";

interface Example {
  readonly line: number;
  readonly format: "toml" | "json";
  readonly kind: string;
  readonly text: string;
  /** The block that follows. */
  readonly said: { readonly info: string; readonly text: string };
}

const page = readFileSync(new URL("../../docs/reference/policy-language.md", import.meta.url), "utf8");
const blocks = [...page.matchAll(/^```(.*)\n([\s\S]*?)^```$/gm)].map(({ 1: info = "", 2: text = "", index }) => ({
  line: page.slice(0, index).split("\n").length,
  info,
  text,
}));
const examples: Example[] = [];
for (let i = 0; i + 1 < blocks.length; i += 2) {
  const [{ line, info, text }, said] = blocks.slice(i, i + 2) as [(typeof blocks)[0], (typeof blocks)[0]];
  const [format = "", kind = ""] = info.split(" ");
  examples.push({ line, format: format as Example["format"], kind, text, said });
}

const of = (kind: string) => examples.filter((example) => example.kind === kind);

test("every block of the page is part of an example", () => {
  expect(blocks.length % 2).toBe(0);
  for (const { line, format, kind, said } of examples) {
    expect(["toml", "json"], `line ${line}`).toContain(format);
    expect(["policies", "refused", "linted"], `line ${line}`).toContain(kind);
    expect(said.info, `line ${line}`).toBe(kind === "policies" ? "yaml cases" : "text");
  }
  expect(of("policies").length).toBeGreaterThanOrEqual(8);
});

describe.each(of("policies").map((example) => [example.line, example] as const))(
  "line %i",
  (line, { format, text, said }) => {
    const content = { about: "the page", [format]: text, cases: parse(said.text) as unknown };
    test.each(casesIn(`line ${line}`, content).map((one) => [one.id, one] as const))("%s", async (_id, one) => {
      expectAnswer(one, await askConductor(one), { spell: (field) => field, stillClock: true });
    });
  },
);

test.each(of("refused").map((example) => [example.line, example] as const))(
  "line %i: refused as shown",
  (_line, { format, text, said }) => {
    const source: PolicySource = { format, text, file: `policies.${format}` };
    expect(() => loadPolicySet(source, (bytes) => bytes)).toThrow(
      expect.objectContaining({ name: "PolicyError", message: said.text.trimEnd() }),
    );
  },
);

test.each(of("linted").map((example) => [example.line, example] as const))(
  "line %i: linted as shown",
  (_line, { format, text, said }) => {
    const findings = lintPolicySet({ format, text });
    const shown = findings.map(
      ({ line, column, code, path, message }) => `${line}:${column} ${code} ${path}: ${message}`,
    );
    expect(shown.join("\n")).toBe(said.text.trimEnd());
  },
);
