/** Every source is reached from a door, a main or a test; every tool is named somewhere. */
import { posix } from "node:path";
import { type Complaint, isGenerated, type Repo } from "../repo.ts";

/** What is started or found by name rather than imported. */
const ENTRY = [
  /\.(test|prop|bench)\.ts$/,
  /(^|\/)main\.ts$/,
  /^vitest\.config\.ts$/,
  /^examples\//,
  /^deploy\/docker\//,
];

export function nothingIsDead(repo: Repo): Complaint[] {
  const alive = new Set<string>();
  const queue = entries(repo);
  for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
    if (alive.has(path) || !repo.has(path)) continue;
    alive.add(path);
    if (!/\.[cm]?[jt]s$/.test(path)) continue;
    for (const { specifier } of repo.source(path).imports) {
      if (specifier.startsWith(".")) queue.push(posix.normalize(posix.join(posix.dirname(path), specifier)));
    }
  }
  return repo.paths
    .filter((path) => /\.([cm]?[jt]s|sh|lua)$/.test(path) && !alive.has(path) && !isGenerated(path))
    .map((path) => ({ path, text: "reached from no door, main, test or script" }));
}

function entries(repo: Repo): string[] {
  const doors = repo.rooms.flatMap(({ folder, manifest }) =>
    Object.values(manifest.exports ?? {}).map((file) => posix.join(folder, file)),
  );
  return [...doors, ...repo.paths.filter((path) => ENTRY.some((entry) => entry.test(path))), ...named(repo)];
}

/**
 * Files that are started by name: their path from the root, from the caller or from the caller's room stands in a
 * script, a configuration or another program; and Lua, which the generated script table names.
 */
function named(repo: Repo): string[] {
  const callers = repo.paths.filter((path) => CALLER.test(path) && !path.startsWith("test/tidy/"));
  return repo.paths
    .filter((path) => /\.lua$|^(tools|test|packages\/testkit)\//.test(path))
    .filter((path) => callers.some((caller) => caller !== path && names(repo, caller, path)));
}

const CALLER = /\.(json|ya?ml|sh|ts)$|(^|\/)(Dockerfile|run)$/;

function names(repo: Repo, caller: string, path: string): boolean {
  const text = repo.text(caller);
  if (path.endsWith(".lua")) {
    const name = posix.basename(path, ".lua").replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());
    return isGenerated(caller) && repo.roomOf(caller) === repo.roomOf(path) && text.includes(`${name}:`);
  }
  const ways = [path, posix.relative(posix.dirname(caller), path), posix.relative(repo.roomOf(caller).folder, path)];
  return ways.some((way) => text.includes(way));
}
