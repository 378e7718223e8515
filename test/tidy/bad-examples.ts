/** For every rule a repo, as small as can be, that breaks it: without these a rule that never complains would look like peace. */
import type { Rule } from "./repo.ts";
import * as deadFiles from "./rules/dead-files.ts";
import * as habits from "./rules/habits.ts";
import * as manifests from "./rules/manifests.ts";
import * as size from "./rules/size.ts";
import * as walls from "./rules/walls.ts";
import * as world from "./rules/world.ts";

export interface Pinned {
  readonly name: string;
  readonly rule: Rule;
  /** Each: what is wrong with it, its files, and how many complaints it must draw. */
  readonly bad: readonly (readonly [what: string, files: Readonly<Record<string, string>>, complaints?: number])[];
  /** What the same rule lets through. */
  readonly good: Readonly<Record<string, string>>;
}

const ENGINE = "packages/engine/src/plan.ts";
const rooms = {
  "package.json": manifest("kavach-workspace", { private: true }),
  "packages/engine/package.json": manifest("@kavach/engine", { dependencies: { "@kavach/model": "workspace:*" } }),
  "packages/model/package.json": manifest("@kavach/model", { exports: { ".": "./src/index.ts" } }),
  "packages/testkit/package.json": manifest("@kavach/testkit", { private: true, exports: { ".": "./src/index.ts" } }),
  "packages/store/package.json": manifest("@kavach/store", { exports: { ".": "./src/index.ts" } }),
  "services/fanout/package.json": manifest("@kavach/fanout", { private: true, exports: {} }),
};

function manifest(name: string, rest: object): string {
  return JSON.stringify({ name, ...rest });
}

function engine(code: string): Record<string, string> {
  return { ...rooms, [ENGINE]: code };
}

const mirrored = {
  exports: { ".": "./src/index.ts" },
  publishConfig: { exports: { ".": { types: "./dist/index.d.ts", default: "./dist/index.js" } } },
};

const worldRules: Pinned[] = [
  {
    name: "clocks, randomness and the environment are handed in",
    rule: world.worldIsHandedIn,
    bad: [
      ["Date.now", engine("export const now = Date.now();")],
      ["Date.now by brackets", engine('export const now = Date["now"]();')],
      ["Date.now as a value", engine("export const clock = { nowMs: Date.now };")],
      ["Date.now by way of globalThis", engine("export const now = globalThis.Date.now();")],
      ["a new Date of now", engine("export const now = new Date();")],
      ["performance.now", engine("export const now = performance.now();")],
      ["Math.random", engine("export const dice = Math.random();")],
      ["randomUUID", engine("export const id = crypto.randomUUID();")],
      ["process.env", engine("export const home = process.env.HOME;")],
      ["process.env in pieces", engine("export const { HOME } = process.env;")],
    ],
    good: {
      ...engine('export const then = new Date(5); // Date.now()\nexport const text = "Math.random()";'),
      "services/fanout/src/main.ts": "export const now = Date.now();",
      "packages/engine/src/plan.test.ts": "export const now = Date.now();",
    },
  },
  {
    name: "Redis, containers and cryptography are imported in their rooms",
    rule: world.guardedImportsStayInside,
    bad: [
      ["node:crypto", engine('import { createHash } from "node:crypto"; export { createHash };')],
      ["crypto without node:", engine('import { createHash } from "crypto"; export { createHash };')],
      ["noble", engine('export { ml_dsa65 } from "@noble/post-quantum/ml-dsa.js";')],
      ["ioredis, late", engine('export const redis = await import("ioredis");')],
      ["testcontainers", engine('import type { Network } from "testcontainers"; export type N = Network;')],
    ],
    good: { "package.json": rooms["package.json"], "packages/crypto/src/native.ts": 'import "node:crypto";' },
  },
];

const wallRules: Pinned[] = [
  {
    name: "packages import only what lies below them",
    rule: walls.wallsHold,
    bad: [
      ["an import of a room above", engine('import { Store } from "@kavach/store"; export { Store };')],
      ["the package that users install", engine('import { Gate } from "kavach"; export { Gate };')],
      ["a type of a room above", engine('export type { Store } from "@kavach/store";')],
      [
        "a room that nobody placed",
        { ...rooms, "packages/new/package.json": manifest("@kavach/new", {}), "packages/new/src/index.ts": "" },
      ],
    ],
    good: engine('import { Bug } from "@kavach/model"; export { Bug };'),
  },
  {
    name: "services are imported by nobody, the testkit by tests alone",
    rule: walls.servicesAreImportedByNobody,
    bad: [
      ["a service", engine('import "@kavach/fanout";')],
      ["a service, in a test", { ...rooms, "packages/engine/src/plan.test.ts": 'import "@kavach/fanout";' }],
      ["the testkit", engine('import { startCluster } from "@kavach/testkit"; export { startCluster };')],
    ],
    good: { ...rooms, "packages/engine/src/plan.test.ts": 'import "@kavach/testkit";' },
  },
  {
    name: "imports go through the door",
    rule: walls.importsGoThroughTheDoor,
    bad: [
      ["a deep path", engine('import { LIMITS } from "@kavach/model/src/limits.ts"; export { LIMITS };')],
      ["a path out of the room", engine('import { LIMITS } from "../../model/src/limits.ts"; export { LIMITS };')],
      ["a path out of the repo", { ...rooms, "tools/build.ts": 'import "../../elsewhere/x.ts";' }],
      ["a path from a test into a room", { ...rooms, "test/x.ts": 'import "../packages/model/src/limits.ts";' }],
    ],
    good: engine('import { Bug } from "@kavach/model"; import "./decide.ts"; export { Bug };'),
  },
];

const manifestRules: Pinned[] = [
  {
    name: "dependencies are declared",
    rule: manifests.dependenciesAreDeclared,
    bad: [
      ["an undeclared package", engine('import { z } from "zod"; export { z };')],
      ["an undeclared room", engine('import "@kavach/store";')],
      [
        "a dependency for tests only",
        { "package.json": manifest("x", { devDependencies: { zod: "catalog:" } }), "src/index.ts": 'import "zod";' },
      ],
    ],
    good: engine('import { readFile } from "node:fs/promises"; import "@kavach/model"; export { readFile };'),
  },
  {
    name: "dependencies are used",
    rule: manifests.dependenciesAreUsed,
    bad: [["a dependency nobody imports", { ...rooms }]],
    good: engine('import "@kavach/model";'),
  },
  {
    name: "versions stand in the catalog",
    rule: manifests.versionsStandInOnePlace,
    bad: [["a version of its own", { "package.json": manifest("x", { dependencies: { zod: "^4.0.0" } }) }]],
    good: { "package.json": manifest("x", { dependencies: { zod: "catalog:", "@kavach/model": "workspace:*" } }) },
  },
  {
    name: "what npm publishes mirrors the sources",
    rule: manifests.exportsAreMirrored,
    bad: [
      [
        "a door that is not published",
        { "package.json": manifest("x", { exports: { ".": "./src/index.ts" } }), "src/index.ts": "" },
      ],
      [
        "a door to another file",
        { "package.json": manifest("x", { ...mirrored, exports: { ".": "./src/main.ts" } }), "src/main.ts": "" },
      ],
      ["a door to nothing", { "package.json": manifest("x", mirrored) }],
      ["a door that is published only", { "package.json": manifest("x", { ...mirrored, exports: {} }) }],
    ],
    good: { "package.json": manifest("x", mirrored), "src/index.ts": "" },
  },
  {
    name: "project references mirror dependencies",
    rule: manifests.referencesMirrorDependencies,
    bad: [
      ["a missing reference", projects([])],
      ["a reference too many", projects(["../model", "../store"])],
    ],
    good: projects(["../model"]),
  },
  {
    name: "every project is built",
    rule: manifests.everyProjectIsBuilt,
    bad: [
      [
        "a room the root forgot",
        { ...projects([]), "tsconfig.json": '{ "references": [{ "path": "./packages/model" }] }' },
      ],
    ],
    good: {
      ...projects([]),
      "tsconfig.json": '{ "references": [{ "path": "./packages/model" }, { "path": "./packages/engine" }] }',
    },
  },
];

function projects(references: readonly string[]): Record<string, string> {
  return {
    "packages/engine/package.json": rooms["packages/engine/package.json"],
    "packages/engine/tsconfig.json": JSON.stringify({ references: references.map((path) => ({ path })) }),
    "packages/model/package.json": rooms["packages/model/package.json"],
    "packages/model/tsconfig.json": "{}",
  };
}

const lines = (count: number) => "\n".repeat(count);

const shapeRules: Pinned[] = [
  {
    name: `files have at most ${size.FILE_LINES_MAX} lines`,
    rule: size.filesAreShort,
    bad: [
      ["a long module", engine(`${lines(size.FILE_LINES_MAX)}export {};`)],
      ["a long script", { ...rooms, "tools/x.sh": `${lines(size.FILE_LINES_MAX)}true` }],
    ],
    good: {
      ...engine(`${lines(size.FILE_LINES_MAX - 1)}export {};`),
      "packages/api/src/gen/a_pb.ts": `${lines(999)}export {};`,
    },
  },
  {
    name: `functions have at most ${size.FUNCTION_LINES_MAX} lines`,
    rule: size.functionsAreShort,
    bad: [
      ["a long function", engine(`export function f() {${lines(size.FUNCTION_LINES_MAX)}}`)],
      ["a long arrow", engine(`export const f = () => {${lines(size.FUNCTION_LINES_MAX)}};`)],
      ["a long method", engine(`export class C { m() {${lines(size.FUNCTION_LINES_MAX)}} }`)],
      ["a long test", { ...rooms, "test/x.test.ts": `it("x", () => {${lines(size.FUNCTION_LINES_MAX)}});` }],
    ],
    good: engine(`export function f() {${lines(size.FUNCTION_LINES_MAX - 1)}}\ndescribe("x", () => {${lines(200)}});`),
  },
  {
    name: "nothing is dead",
    rule: deadFiles.nothingIsDead,
    bad: [
      ["a module nobody imports", { ...rooms, "packages/model/src/index.ts": "", "packages/model/src/old.ts": "" }],
      [
        "two modules that import each other",
        { ...rooms, "packages/model/src/a.ts": 'import "./b.ts";', "packages/model/src/b.ts": 'import "./a.ts";' },
        2,
      ],
      ["a script nobody names", { ...rooms, "tools/old.sh": "true" }],
    ],
    good: {
      "package.json": manifest("x", { scripts: { build: "node tools/build.ts" } }),
      "tools/build.ts": 'import "./run.ts"; new Worker(new URL("./worker.ts", import.meta.url));',
      "tools/run.ts": "",
      "tools/worker.ts": "",
    },
  },
];

const habitRules: Pinned[] = [
  {
    name: "tests are not narrowed",
    rule: habits.testsAreNotNarrowed,
    bad: [
      "it.only",
      "it.skip",
      "describe.skip",
      "test.todo",
      "it.skipIf(true)",
      "it.concurrent.only",
      "describe.runIf(true)",
    ].map((call) => [call, { ...rooms, "test/x.test.ts": `${call}("x", () => {});` }] as const),
    good: {
      ...rooms,
      "test/x.test.ts": 'it.each([1])("it.only", () => {}); reader.skip(5); it.concurrent("x", () => {});',
    },
  },
  {
    name: "no path of one machine",
    rule: habits.noMachinePaths,
    bad: [
      ["root's home", { ...rooms, "README.md": `see ${"/ro"}ot/notes` }],
      ["somebody's home", { ...rooms, "tools/x.sh": `cd ${"/ho"}me/ann/kavach` }],
      ["a working folder", { ...rooms, "docs/x.md": `in ${"/wo"}rk/main` }],
    ],
    good: { ...rooms, "README.md": "https://example.org/work/home, /etc/kavach, packages/work/x" },
  },
  {
    name: "modules say what they are for",
    rule: habits.modulesSayWhatTheyAreFor,
    bad: [
      ["no comment", engine("export const x = 1;")],
      ["an import first", engine('import "./x.ts";\n/** Late. */')],
    ],
    good: {
      ...engine("/** Makes plans. */\nexport const x = 1;"),
      "tools/x.ts": "#!/usr/bin/env node\n/**\n * Builds, in more than one line.\n */",
    },
  },
  {
    name: "files are named well",
    rule: habits.filesAreNamedWell,
    bad: [
      ["an upper case name", { ...rooms, "packages/model/src/permitKey.ts": "" }],
      ["a name that says nothing", { ...rooms, "packages/model/src/string-utils.ts": "" }],
      ["a manager", { ...rooms, "packages/model/src/session-manager.ts": "" }],
    ],
    good: { ...rooms, "packages/model/src/permit-key.test.ts": "", "packages/api/src/gen/evaluate_pb.ts": "" },
  },
];

export const PINNED: readonly Pinned[] = [...worldRules, ...wallRules, ...manifestRules, ...shapeRules, ...habitRules];
