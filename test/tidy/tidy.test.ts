/** The walls of docs/architecture.md, read from the repo itself; and for each of them the proof that it bites. */
import { REPO } from "@kavach/testkit";
import { describe, expect, it } from "vitest";
import { PINNED } from "./bad-examples.ts";
import { Repo, type Rule } from "./repo.ts";

function told(rule: Rule, repo: Repo): string[] {
  return rule(repo).map(({ path, line, text }) => `${path}${line === undefined ? "" : `:${line}`}: ${text}`);
}

const repo = Repo.read(REPO);

it("reads the whole repo", () => {
  expect(repo.sources.length).toBeGreaterThan(100);
  expect(repo.rooms.length).toBeGreaterThan(10);
});

describe.each(PINNED)("$name", ({ rule, bad, good }) => {
  it("holds in this repo", () => {
    expect(told(rule, repo)).toEqual([]);
  });

  it.each(bad.map(([what, files, complaints = 1]) => ({ what, files, complaints })))(
    "is broken by $what",
    (example) => {
      const { files, complaints } = example;
      expect(told(rule, Repo.of(files))).toHaveLength(complaints);
    },
  );

  it("lets the innocent pass", () => {
    expect(told(rule, Repo.of(good))).toEqual([]);
  });
});

it("refuses to judge what it cannot read", () => {
  const [first] = PINNED;
  expect(() => first?.rule(Repo.of({ "package.json": "{}", "src/x.ts": "export const = 5;" }))).toThrow("src/x.ts");
});
