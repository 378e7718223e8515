/** Every change that the migration guide lists says what was, what is, and what to do; and none is listed twice. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";

const page = readFileSync(new URL("../../docs/migration-from-kavach.md", import.meta.url), "utf8");
const [, ...sections] = page.split(/^### /m);
const changes = sections.map((section) => [section.split("\n", 1)[0] ?? "", section.split(/^## /m)[0] ?? ""] as const);

test("the changes have names of their own", () => {
  expect(new Set(changes.map(([title]) => title)).size).toBe(changes.length);
  // A change that is made or taken back belongs on the page.
  expect(changes).toHaveLength(27);
});

test.each(changes)("%s: before, now, do", (_title, text) => {
  const parts = [...text.matchAll(/^- \*\*(\w+):\*\* (\S.+)$/gm)].map(([, part]) => part);
  expect(parts).toEqual(["Before", "Now", "Do"]);
});
