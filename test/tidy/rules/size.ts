/** Files and functions that one reader can hold in mind. */
import { type Complaint, isGenerated, type Repo } from "../repo.ts";

export const FILE_LINES_MAX = 400;
export const FUNCTION_LINES_MAX = 70;

const CODE = /\.(ts|js|mjs|cjs|sh|py|lua|proto|tpl)$/;

/** Not ours to cut: a contract of somebody else, and what machines write. */
function isForeign(path: string): boolean {
  return isGenerated(path) || (/\.proto$/.test(path) && !path.startsWith("proto/kavach/"));
}

export function filesAreShort(repo: Repo): Complaint[] {
  return repo.paths
    .filter((path) => CODE.test(path) && !isForeign(path))
    .flatMap((path) => {
      const lines = repo.text(path).trimEnd().split("\n").length;
      return lines <= FILE_LINES_MAX ? [] : [{ path, text: `${lines} lines, at most ${FILE_LINES_MAX}` }];
    });
}

export function functionsAreShort(repo: Repo): Complaint[] {
  return repo.sources.flatMap((path) =>
    repo.source(path).functions.flatMap(({ name, line, lines }) => {
      // The callback of a describe is a list of tests, as a file is a list of functions.
      if (lines <= FUNCTION_LINES_MAX || /^describe\b/.test(name)) return [];
      return [{ path, line, text: `${name} has ${lines} lines, at most ${FUNCTION_LINES_MAX}` }];
    }),
  );
}
