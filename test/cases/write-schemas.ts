/** Writes the JSON Schemas that editors read, of policies and of decision cases, below the folder given as argument. */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { policyJsonSchema } from "@kavach/engine";
import { caseJsonSchema } from "./case-schema.ts";

const out = process.argv[2] ?? new URL("../..", import.meta.url).pathname;

function write(path: string, schema: object): void {
  const file = join(out, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify(schema, undefined, 2)}\n`);
}

write("docs/reference/policy.schema.json", policyJsonSchema());
write("test/cases/case.schema.json", caseJsonSchema());
