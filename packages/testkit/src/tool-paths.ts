/** Where the programs are that the tests run and npm does not bring; tools/test-tools.sh puts them there. */
import { globSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** The root of the repo. */
export const REPO = fileURLToPath(new URL("../../..", import.meta.url));

const PLACES = {
  helm: ".cache/bin/helm",
  connectconformance: ".cache/bin/connectconformance",
  python: ".cache/python/bin/python",
  "kubernetes-validate": ".cache/python/bin/kubernetes-validate",
  envoy: ".cache/python/lib/python3*/site-packages/envoy/_bin/envoy",
} as const;

export type Tool = keyof typeof PLACES;

/** Absolute path of a tool. Throws, naming the command that brings it, where it is missing: a test must not skip. */
export function toolPath(tool: Tool): string {
  const [found] = globSync(PLACES[tool], { cwd: REPO });
  if (found === undefined) throw new Error(`${tool} is not installed: run 'sh tools/test-tools.sh'`);
  return `${REPO}/${found}`.replaceAll("//", "/");
}
