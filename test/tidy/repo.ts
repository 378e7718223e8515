/** The repo as the rules see it: paths, texts, parsed sources and manifests. Rules also run on small made-up repos. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseSource, type Source } from "./source.ts";

export interface Manifest {
  readonly name: string;
  readonly private?: boolean;
  readonly exports?: Readonly<Record<string, string>>;
  readonly publishConfig?: { readonly exports?: Readonly<Record<string, Readonly<Record<string, string>>>> };
  readonly scripts?: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
}

export interface Room {
  /** `packages/model`, `services/fanout`, `test`; empty for the root. */
  readonly folder: string;
  readonly manifest: Manifest;
}

export interface Complaint {
  readonly path: string;
  /** Absent: about the whole file. */
  readonly line?: number;
  readonly text: string;
}

export type Rule = (repo: Repo) => Complaint[];

const TEXT = /\.(ts|js|mjs|cjs|json|md|ya?ml|toml|sh|py|lua|proto|tpl|txt)$|(^|\/)(Dockerfile|run|\.[a-z]+ignore)$/;

export class Repo {
  readonly #texts: ReadonlyMap<string, string>;
  readonly #sources = new Map<string, Source>();
  readonly rooms: readonly Room[];

  /** Paths relative to the root, with `/`, and the text of each. */
  constructor(texts: ReadonlyMap<string, string>) {
    this.#texts = texts;
    this.rooms = [...texts.keys()]
      .filter((path) => path === "package.json" || path.endsWith("/package.json"))
      .map((path) => ({ folder: path.replace(/\/?package\.json$/, ""), manifest: this.#json(path) as Manifest }));
  }

  /** Everything that is committed, or would be by `git add`. */
  static read(root: string): Repo {
    const listed = execFileSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], { cwd: root });
    const texts = new Map<string, string>();
    for (const path of listed.toString().split("\0")) {
      if (!TEXT.test(path)) continue;
      try {
        texts.set(path, readFileSync(join(root, path), "utf8"));
      } catch (error) {
        // Deleted in the work tree, and not yet in the index.
        if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      }
    }
    return new Repo(texts);
  }

  static of(texts: Readonly<Record<string, string>>): Repo {
    return new Repo(new Map(Object.entries(texts)));
  }

  get paths(): string[] {
    return [...this.#texts.keys()];
  }

  has(path: string): boolean {
    return this.#texts.has(path);
  }

  text(path: string): string {
    const text = this.#texts.get(path);
    if (text === undefined) throw new Error(`no such file: ${path}`);
    return text;
  }

  /** Code that people wrote, TypeScript and JavaScript. */
  get sources(): string[] {
    return this.paths.filter((path) => /\.[cm]?[jt]s$/.test(path) && !isGenerated(path));
  }

  source(path: string): Source {
    let source = this.#sources.get(path);
    if (source === undefined) {
      source = parseSource(path, this.text(path));
      this.#sources.set(path, source);
    }
    return source;
  }

  /** The room with the deepest folder that holds the path. */
  roomOf(path: string): Room {
    const holding = this.rooms.filter(({ folder }) => folder === "" || path.startsWith(`${folder}/`));
    const [deepest] = holding.toSorted((a, b) => b.folder.length - a.folder.length);
    if (deepest === undefined) throw new Error(`no package.json above ${path}`);
    return deepest;
  }

  room(name: string): Room | undefined {
    return this.rooms.find(({ manifest }) => manifest.name === name);
  }

  #json(path: string): unknown {
    return JSON.parse(this.text(path));
  }
}

export function isGenerated(path: string): boolean {
  return path.includes("/gen/") || path.endsWith(".generated.ts");
}

/** Files that only tests load: named so, or in a room that is never shipped. */
export function isTest(path: string): boolean {
  return /\.(test|test-kit|prop|bench)\.ts$/.test(path) || /^(test|packages\/testkit)\//.test(path);
}

/** `@scope/name` or `name` of a bare specifier; nothing for relative ones and Node's own. */
export function packageOf(specifier: string): string | undefined {
  if (specifier.startsWith(".") || specifier.startsWith("node:") || specifier.startsWith("/")) return undefined;
  const parts = specifier.split("/");
  return specifier.startsWith("@") ? parts.slice(0, 2).join("/") : parts[0];
}
