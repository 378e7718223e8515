/** What is tested and measured is started as what ships. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { SERVICE_ENV, SERVICE_NODE_ARGS } from "./service-flags.ts";
import { REPO } from "./tool-paths.ts";

it.each(["deploy/docker/entrypoint.sh", "tools/start.ts"])("%s starts Node as the tests do", async (path) => {
  const text = await readFile(join(REPO, path), "utf8");
  for (const arg of SERVICE_NODE_ARGS) expect(text).toContain(arg);
  for (const [name, value] of Object.entries(SERVICE_ENV))
    expect(text).toMatch(new RegExp(`${name}\\W.*\\b${value}\\b`));
});
