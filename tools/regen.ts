/** Makes everything that is generated and committed: `pnpm regen`. `pnpm check` fails when a fresh copy differs. */
import { cp, glob, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { capture, ROOT } from "./run.ts";

interface Generator {
  readonly name: string;
  /** Folders and files it makes, relative to the root of the repo and of `out` alike. */
  readonly makes: readonly string[];
  /** Command that writes below `out` and touches nothing else. */
  command(out: string): readonly [string, ...string[]];
}

export const GENERATORS: readonly Generator[] = [
  { name: "buf generate", makes: ["packages/api/src/gen"], command: (out) => ["buf", "generate", "-o", out] },
  {
    name: "Lua scripts",
    makes: ["packages/store-redis/src/scripts.generated.ts"],
    command: (out) => [process.execPath, "tools/regen-scripts.ts", out],
  },
  {
    name: "JSON Schemas",
    makes: ["docs/reference/policy.schema.json", "test/cases/case.schema.json"],
    command: (out) => [process.execPath, "test/cases/write-schemas.ts", out],
  },
];

/** Paths, relative to the root, whose committed content is not what the generator makes now. */
export async function staleOf(generator: Generator): Promise<string[]> {
  return inFreshFolder(generator, async (out) => {
    const stale: string[] = [];
    for (const path of generator.makes) {
      const [made, kept] = await Promise.all([contentsOf(out, path), contentsOf(ROOT, path)]);
      for (const name of new Set([...made.keys(), ...kept.keys()])) {
        if (made.get(name) !== kept.get(name)) stale.push(name);
      }
    }
    return stale.sort();
  });
}

async function regenerate(generator: Generator): Promise<void> {
  await inFreshFolder(generator, async (out) => {
    for (const path of generator.makes) {
      await rm(join(ROOT, path), { recursive: true, force: true });
      await cp(join(out, path), join(ROOT, path), { recursive: true });
    }
  });
}

async function inFreshFolder<T>(generator: Generator, use: (out: string) => Promise<T>): Promise<T> {
  const out = await mkdtemp(join(tmpdir(), "kavach-regen-"));
  try {
    const [command, ...args] = generator.command(out);
    const { code, output } = await capture(command, args);
    if (code !== 0) throw new Error(`${generator.name} failed:\n${output}`);
    return await use(out);
  } finally {
    await rm(out, { recursive: true, force: true });
  }
}

async function contentsOf(root: string, path: string): Promise<Map<string, string>> {
  const contents = new Map<string, string>();
  for await (const entry of glob([path, `${path}/**`], { cwd: root, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const full = join(entry.parentPath, entry.name);
    contents.set(full.slice(root.length).replace(/^\//, ""), await readFile(full, "utf8"));
  }
  return contents;
}

if (import.meta.main) {
  for (const generator of GENERATORS) {
    await regenerate(generator);
    console.log(`regen: ${generator.name}: ${generator.makes.join(", ")}`);
  }
}
