/** Where the world is let in: clocks, randomness, the environment, Redis and cryptography, each in its room only. */
import { type Complaint, isTest, packageOf, type Repo } from "../repo.ts";

/** Ways to the clock, to randomness and to the environment that need no import. */
const GLOBALS = new Map([
  ["Date.now", "take a Clock"],
  ["new Date(0)", "take a Clock"],
  ["performance.now", "take a Clock"],
  ["Math.random", "take RandomBytes"],
  ["crypto.getRandomValues", "take RandomBytes"],
  ["crypto.randomUUID", "take RandomBytes"],
  ["process.env", "take a setting"],
]);

/** Where settings, clocks and randomness are made; everywhere else they are arguments. */
const MAKERS = [
  /^services\/[^/]+\/src\/(main|config)\.ts$/,
  /^packages\/(system|crypto)\//,
  /^(tools|examples)\//,
  /^deploy\/docker\/healthcheck\.js$/,
  /^vitest\.config\.ts$/,
];

export function worldIsHandedIn(repo: Repo): Complaint[] {
  return repo.sources
    .filter((path) => !isTest(path) && !MAKERS.some((maker) => maker.test(path)))
    .flatMap((path) =>
      repo.source(path).mentions.flatMap(({ path: name, line }) => {
        const advice = GLOBALS.get(name.replace(/^globalThis\./, ""));
        return advice === undefined ? [] : [{ path, line, text: `${name} outside its rooms: ${advice}` }];
      }),
    );
}

/** Packages, or Node's own modules, that one room imports for everybody. */
const GUARDED: readonly { readonly what: RegExp; readonly rooms: RegExp }[] = [
  { what: /^(node:)?crypto$/, rooms: /^packages\/crypto\// },
  { what: /^@noble\//, rooms: /^packages\/crypto\// },
  { what: /^ioredis$/, rooms: /^packages\/(store-redis|testkit)\/|^test\// },
  { what: /^testcontainers$/, rooms: /^packages\/testkit\// },
];

export function guardedImportsStayInside(repo: Repo): Complaint[] {
  return repo.sources.flatMap((path) =>
    repo.source(path).imports.flatMap(({ specifier, line }) => {
      const name = packageOf(specifier) ?? specifier;
      const guard = GUARDED.find(({ what }) => what.test(name) || what.test(specifier));
      return guard === undefined || guard.rooms.test(path)
        ? []
        : [{ path, line, text: `${specifier} outside its room` }];
    }),
  );
}
