/**
 * Writes packages/store-redis/src/scripts.generated.ts from its Lua files, so that bundles and images need no files beside
 * the code; below the folder given as argument, or the repo itself.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "./run.ts";

const ROOM = "packages/store-redis/src";
const lua = join(ROOT, ROOM, "lua");
const out = join(process.argv[2] ?? ROOT, ROOM);

const names = readdirSync(lua)
  .filter((file) => file.endsWith(".lua"))
  .sort();
const lines = names.map((file) => {
  const name = file.slice(0, -".lua".length).replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());
  return `  ${name}: ${JSON.stringify(readFileSync(join(lua, file), "utf8"))},`;
});
const text = `/** Generated from src/lua by tools/regen-scripts.ts. Do not edit. */
export const SCRIPTS = Object.freeze({
${lines.join("\n")}
});
`;
mkdirSync(out, { recursive: true });
writeFileSync(join(out, "scripts.generated.ts"), text);
