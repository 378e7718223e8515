/** Manifests say what the code does: dependencies declared and used, exports mirrored, references in step. */
import { posix } from "node:path";
import { type Complaint, isTest, packageOf, type Repo, type Room } from "../repo.ts";

const ROOT = "kavach-workspace";

type Names = ReadonlySet<string>;

function names(...maps: (Readonly<Record<string, string>> | undefined)[]): Names {
  return new Set(maps.flatMap((map) => Object.keys(map ?? {})));
}

function manifestPath({ folder }: Room): string {
  return folder === "" ? "package.json" : `${folder}/package.json`;
}

export function dependenciesAreDeclared(repo: Repo): Complaint[] {
  return repo.sources.flatMap((path) => {
    const { manifest } = repo.roomOf(path);
    const { dependencies, devDependencies, peerDependencies } = manifest;
    const own = names(dependencies, peerDependencies);
    // The test runner and its like stand in the root's manifest, once.
    const forTests = names(dependencies, peerDependencies, devDependencies, repo.room(ROOT)?.manifest.devDependencies);
    const known = isTest(path) || manifest.private === true || path.startsWith("tools/") ? forTests : own;
    return repo.source(path).imports.flatMap(({ specifier, line }) => {
      const name = packageOf(specifier);
      if (name === undefined || name === manifest.name || known.has(name)) return [];
      return [{ path, line, text: `${name} is not in the package.json of ${manifest.name}` }];
    });
  });
}

/** Tools that are run and not imported, and types that are found without an import. */
const UNIMPORTED = /^(@types\/.*|@biomejs\/biome|@bufbuild\/(buf|protoc-gen-es|protobuf)|node|typescript|vitest)$/;

export function dependenciesAreUsed(repo: Repo): Complaint[] {
  const used = new Map<string, Set<string>>();
  for (const path of repo.paths.filter((it) => /\.[cm]?[jt]s$/.test(it))) {
    const { folder } = repo.roomOf(path);
    // Tests of every room use what the root declares for them.
    for (const user of isTest(path) ? [folder, ""] : [folder]) {
      const seen = used.get(user) ?? new Set();
      for (const { specifier } of repo.source(path).imports) seen.add(packageOf(specifier) ?? specifier);
      used.set(user, seen);
    }
  }
  return repo.rooms.flatMap((room) =>
    [...names(room.manifest.dependencies, room.manifest.devDependencies)]
      .filter((name) => !used.get(room.folder)?.has(name) && !UNIMPORTED.test(name))
      .map((name) => ({ path: manifestPath(room), text: `${name} is declared and never imported` })),
  );
}

export function versionsStandInOnePlace(repo: Repo): Complaint[] {
  return repo.rooms.flatMap((room) =>
    Object.entries({ ...room.manifest.dependencies, ...room.manifest.devDependencies })
      .filter(([, version]) => version !== "catalog:" && version !== "workspace:*")
      .map(([name]) => ({ path: manifestPath(room), text: `${name}: "catalog:" or "workspace:*"` })),
  );
}

export function exportsAreMirrored(repo: Repo): Complaint[] {
  return repo.rooms.flatMap((room) => {
    const { exports: source = {}, publishConfig, private: isPrivate } = room.manifest;
    if (isPrivate === true && publishConfig === undefined) return [];
    const path = manifestPath(room);
    const published = publishConfig?.exports ?? {};
    const complaints: Complaint[] = [];
    for (const door of new Set([...Object.keys(source), ...Object.keys(published)])) {
      const compiled = source[door]?.replace(/^\.\/src\//, "./dist/").replace(/\.ts$/, "");
      const mirror = { types: `${compiled}.d.ts`, default: `${compiled}.js` };
      if (compiled === undefined || JSON.stringify(published[door]) !== JSON.stringify(mirror)) {
        complaints.push({ path, text: `publishConfig.exports of '${door}' is not the mirror of exports` });
      }
      const file = posix.join(room.folder, source[door] ?? "");
      if (compiled !== undefined && !repo.has(file)) complaints.push({ path, text: `door '${door}' leads to no file` });
    }
    return complaints;
  });
}

export function referencesMirrorDependencies(repo: Repo): Complaint[] {
  return repo.rooms
    .filter(({ folder }) => /^(packages|services)\//.test(folder))
    .flatMap((room) => {
      const path = `${room.folder}/tsconfig.json`;
      const { references = [] } = JSON.parse(repo.text(path)) as { references?: { path: string }[] };
      const found = new Set(references.map((reference) => posix.join(room.folder, reference.path)));
      const wanted = new Set(
        [...names(room.manifest.dependencies, room.manifest.devDependencies)].flatMap((name) => {
          const folder = repo.room(name)?.folder;
          return folder === undefined ? [] : [folder];
        }),
      );
      return [
        ...[...wanted].filter((it) => !found.has(it)).map((it) => ({ path, text: `no reference to ${it}` })),
        ...[...found]
          .filter((it) => !wanted.has(it))
          .map((it) => ({ path, text: `reference to ${it}, no dependency` })),
      ];
    });
}

export function everyProjectIsBuilt(repo: Repo): Complaint[] {
  const path = "tsconfig.json";
  const { references } = JSON.parse(repo.text(path)) as { references: { path: string }[] };
  const built = new Set(references.map((reference) => posix.normalize(reference.path)));
  return repo.rooms
    .filter(({ folder }) => /^(packages|services)\//.test(folder) && !built.has(folder))
    .map(({ folder }) => ({ path, text: `no reference to ${folder}` }));
}
