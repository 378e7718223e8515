/** Small habits: names, first sentences, tests that all run, and nothing of one person's machine. */
import { posix } from "node:path";
import { type Complaint, isGenerated, type Repo } from "../repo.ts";

const NARROWED =
  /^(it|test|describe|suite|bench)(\.\w+)*\.(only|skip|todo|skipIf|runIf)$|^(xit|xtest|xdescribe|fit|fdescribe)\(\)$/;

export function testsAreNotNarrowed(repo: Repo): Complaint[] {
  return repo.sources.flatMap((path) =>
    repo
      .source(path)
      .mentions.flatMap(({ path: name, line }) =>
        NARROWED.test(name) ? [{ path, line, text: `${name} narrows what runs` }] : [],
      ),
  );
}

/** Folders of one machine or one person, which mean nothing to a reader elsewhere. */
const MACHINE = /(?<![\w.@-])\/(work|root|home\/[a-z]\w*|Users\/\w+|mnt\/[a-z]\w*)\/|[A-Z]:\\Users\\/;

export function noMachinePaths(repo: Repo): Complaint[] {
  return repo.paths
    .filter((path) => path !== "pnpm-lock.yaml")
    .flatMap((path) =>
      repo
        .text(path)
        .split("\n")
        .flatMap((text, index) => {
          const found = MACHINE.exec(text)?.[0];
          return found === undefined ? [] : [{ path, line: index + 1, text: `path of one machine: ${found}` }];
        }),
    );
}

/** A test is for the module beside it, which its name says. */
export function modulesSayWhatTheyAreFor(repo: Repo): Complaint[] {
  return repo.sources
    .filter(
      (path) =>
        !/\.(test|prop)\.ts$/.test(path) &&
        !/^(\/\*\*|\/\/) \S/.test(
          repo
            .text(path)
            .replace(/^#!.*\n/, "")
            .replace(/^\/\*\*\n \* /, "/** "),
        ),
    )
    .map((path) => ({ path, line: 1, text: "opens with no sentence on what it is for" }));
}

const KEBAB = /^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9]+(-[a-z0-9]+)*)*$/;
const EMPTY_WORDS = /(^|[-./])(manager|helper|util|utils|helpers|common|misc)([-.]|$)/;

export function filesAreNamedWell(repo: Repo): Complaint[] {
  return repo.sources
    .filter((path) => !isGenerated(path))
    .flatMap((path) => {
      const name = posix.basename(path);
      if (!KEBAB.test(name)) return [{ path, text: "file names are kebab-case" }];
      return EMPTY_WORDS.test(name) ? [{ path, text: "a name that says nothing" }] : [];
    });
}
