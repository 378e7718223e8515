/** Who may import whom, and only by the name on the door. */
import { posix } from "node:path";
import { type Complaint, isTest, packageOf, type Repo } from "../repo.ts";

/** What one decision is made of. */
const ENFORCEMENT = ["model", "system", "engine", "crypto", "audit", "store", "gate"];

/** Below each room, the rooms it may import. What is not listed may be imported by nobody but tests. */
const BELOW: Readonly<Record<string, readonly string[]>> = {
  model: [],
  api: [],
  system: ["model"],
  protobuf: ["model"],
  engine: ["model"],
  crypto: ["model", "api", "protobuf", "system"],
  audit: ["model", "crypto", "system"],
  store: ["model"],
  "store-redis": ["model", "store"],
  wire: ["model", "api", "protobuf"],
  gate: ["model", "engine", "crypto", "audit", "store", "system"],
  serve: ["model", "api", "system"],
  client: ["model", "api", "wire", "system"],
  service: ["model", "system"],
  // What a user installs, by its bare name: everything that is for users, and nothing imports it.
  kavach: ["model", "engine", "crypto", "audit", "store", "store-redis", "gate", "client"],
  // The tops; of testkit everything is a test, so it has no line here.
  cli: [...ENFORCEMENT, "store-redis", "api", "wire", "client", "service"],
  "gate-node": [...ENFORCEMENT, "store-redis", "api", "wire", "serve", "client", "service"],
  fanout: ["model", "system", "store", "store-redis", "api", "wire", "serve", "service"],
};

const SCOPE = "@kavach/";

/** The room of a package of ours. */
function roomNamed(name: string): string | undefined {
  if (name === "kavach") return name;
  return name.startsWith(SCOPE) ? name.slice(SCOPE.length) : undefined;
}

export function wallsHold(repo: Repo): Complaint[] {
  return repo.sources.flatMap((path) => {
    const { folder, manifest } = repo.roomOf(path);
    if (isTest(path) || !/^(packages|services)\//.test(folder)) return [];
    const allowed = BELOW[roomNamed(manifest.name) ?? ""];
    if (allowed === undefined) return [{ path, text: `${manifest.name} has no place among the walls yet` }];
    return repo.source(path).imports.flatMap(({ specifier, line }) => {
      const name = packageOf(specifier);
      const room = name === undefined ? undefined : roomNamed(name);
      if (room === undefined || name === manifest.name || allowed.includes(room)) return [];
      return [{ path, line, text: `${manifest.name} may not import ${name}` }];
    });
  });
}

/** Tests may import any room, but no service, and the testkit is for them alone. */
export function servicesAreImportedByNobody(repo: Repo): Complaint[] {
  const services = new Set(
    repo.rooms.filter(({ folder }) => folder.startsWith("services/")).map(({ manifest }) => manifest.name),
  );
  return repo.sources.flatMap((path) =>
    repo.source(path).imports.flatMap(({ specifier, line }) => {
      const name = packageOf(specifier);
      if (name === undefined) return [];
      if (services.has(name)) return [{ path, line, text: `${name} is a service; nothing imports it` }];
      if (name === `${SCOPE}testkit` && !isTest(path)) return [{ path, line, text: "testkit is for tests alone" }];
      return [];
    }),
  );
}

export function importsGoThroughTheDoor(repo: Repo): Complaint[] {
  return repo.sources.flatMap((path) =>
    repo.source(path).imports.flatMap(({ specifier, line }) => {
      if (specifier.startsWith("."))
        return leavesItsRoom(repo, path, specifier) ? [{ path, line, text: `${specifier} leaves its room` }] : [];
      const name = packageOf(specifier);
      const room = name === undefined ? undefined : repo.room(name);
      if (name === undefined || room === undefined) return [];
      const door = `.${specifier.slice(name.length)}`;
      if (Object.hasOwn(room.manifest.exports ?? {}, door)) return [];
      return [{ path, line, text: `${specifier} is no door of ${name}` }];
    }),
  );
}

function leavesItsRoom(repo: Repo, path: string, specifier: string): boolean {
  const target = posix.normalize(posix.join(posix.dirname(path), specifier));
  if (target.startsWith("..")) return true;
  // A benchmark measures the service's own parts.
  if (path.startsWith("test/bench/servers/")) return false;
  const shipped = (folder: string) => /^(packages|services)\//.test(folder);
  const [from, to] = [repo.roomOf(path).folder, repo.roomOf(target).folder];
  // The suites under test/ share one house; tools belong to the root as the configuration does.
  return from !== to && (shipped(from) || shipped(to));
}
