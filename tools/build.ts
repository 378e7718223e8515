/**
 * Builds what leaves the repo: `node tools/build.ts` compiles every package to its `dist/` for npm; `--bundle` makes one
 * JavaScript file with a source map out of each service, under `dist/services/`, for the image.
 */
import { glob, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join, relative, resolve } from "node:path";
import { parseArgs } from "node:util";
import { build } from "esbuild";
import { ROOT, run } from "./run.ts";

/**
 * Every service of the image, and the threads they start from a file beside the code: which lies in the service's own
 * file, or in one that both share.
 */
const ENTRIES = {
  "gate-node/main": "services/gate-node/src/main.ts",
  "gate-node/portable-worker": "packages/crypto/src/portable-worker.ts",
  "shared/portable-worker": "packages/crypto/src/portable-worker.ts",
  "fanout/main": "services/fanout/src/main.ts",
} as const;

// Dependencies in CommonJS call `require` for Node's built-ins, which an ES module does not have.
const REQUIRE =
  'import{createRequire as $createRequire}from"node:module";const require=$createRequire(import.meta.url);';

async function compilePackages(): Promise<number> {
  const projects = await Array.fromAsync(glob("packages/*/tsconfig.json", { cwd: ROOT }));
  return run("tsc", ["-b", ...projects.sort()]);
}

async function bundle(out: string): Promise<void> {
  await rm(out, { recursive: true, force: true });
  const result = await build({
    absWorkingDir: ROOT,
    entryPoints: Object.entries(ENTRIES).map(([out, path]) => ({ in: path, out })),
    outdir: out,
    bundle: true,
    splitting: true,
    chunkNames: "shared/[name]-[hash]",
    platform: "node",
    target: "node24",
    format: "esm",
    banner: { js: REQUIRE },
    // Stack traces name the TypeScript line; the sources themselves stay out of the image.
    sourcemap: true,
    sourcesContent: false,
    legalComments: "none",
    // Half the size. Identifiers stay as they are, for stack traces; `keepNames` would cost a call for every closure made.
    minifyWhitespace: true,
    minifySyntax: true,
    metafile: true,
    logLevel: "warning",
  });
  await writeFile(join(out, "package.json"), '{ "type": "module", "private": true }\n');
  await writeFile(join(out, "THIRD-PARTY-LICENSES.txt"), await licencesOf(Object.keys(result.metafile.inputs)));
  for (const [path, { bytes }] of Object.entries(result.metafile.outputs)) {
    if (path.endsWith(".js")) console.log(`${relative(ROOT, resolve(ROOT, path))}  ${(bytes / 1024).toFixed(0)} KiB`);
  }
}

/** The licence text of every third-party package that went into a bundle: their licences ask for it. */
async function licencesOf(inputs: readonly string[]): Promise<string> {
  const folders = new Set<string>();
  for (const input of inputs) {
    const match = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(input);
    if (match?.[1] !== undefined) folders.add(match[1]);
  }
  const parts: string[] = [];
  for (const folder of [...folders].sort()) {
    const manifest = JSON.parse(await readFile(join(ROOT, folder, "package.json"), "utf8")) as Record<string, unknown>;
    const texts = await Array.fromAsync(glob("{LICENSE,LICENCE,license,NOTICE}*", { cwd: join(ROOT, folder) }));
    const bodies = await Promise.all(texts.sort().map((name) => readFile(join(ROOT, folder, name), "utf8")));
    parts.push(`${manifest.name} ${manifest.version} (${manifest.license})\n\n${bodies.join("\n")}`);
  }
  return `${parts.join(`\n${"-".repeat(80)}\n`)}\n`;
}

const { values } = parseArgs({ options: { bundle: { type: "boolean", default: false }, out: { type: "string" } } });
if (values.bundle) {
  const out = resolve(ROOT, values.out ?? "dist/services");
  await mkdir(dirname(out), { recursive: true });
  await bundle(out);
} else {
  process.exitCode = await compilePackages();
}
