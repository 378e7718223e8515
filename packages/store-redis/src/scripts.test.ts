/** The generated table is what lies in lua/. */
import { readdirSync, readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { SCRIPTS } from "./scripts.generated.ts";

it("holds every script as it is written; else run tools/regen-scripts.ts", () => {
  const folder = new URL("lua/", import.meta.url);
  const files = readdirSync(folder).filter((file) => file.endsWith(".lua"));
  const texts = files.map((file) => readFileSync(new URL(file, folder), "utf8"));
  expect(Object.values(SCRIPTS).sort()).toEqual(texts.sort());
});
