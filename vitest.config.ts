/** How the suites run: what is quick and pure first, two files at a time, then what needs the machine to itself. */
import { configDefaults, defineConfig } from "vitest/config";

// What measures time, or starts many processes, has the two cores of a small machine to itself: groups run one after another.
const ALONE = ["test/{cluster,interop,conformance,chaos,deploy}/**/*.test.ts", "test/cases/{wire,cluster}.test.ts"];

const limits = { testTimeout: 30_000, hookTimeout: 120_000 };
const exclude = [...configDefaults.exclude, "**/dist/**"];

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "units",
          include: ["{packages,services}/*/src/**/*.{test,prop}.ts", "{test,tools}/**/*.{test,prop}.ts"],
          exclude: [...exclude, ...ALONE],
          sequence: { groupOrder: 0 },
          maxWorkers: 2,
          ...limits,
        },
      },
      {
        test: {
          name: "whole",
          include: ALONE,
          exclude,
          globalSetup: ["packages/testkit/src/sweep.ts"],
          // The sweep does the work of its cleaner, whose image cannot be had everywhere.
          env: { TESTCONTAINERS_RYUK_DISABLED: "true" },
          sequence: { groupOrder: 1 },
          maxWorkers: 1,
          fileParallelism: false,
          ...limits,
        },
      },
    ],
  },
});
