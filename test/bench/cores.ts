/** Keeps the server under load and the load apart: each on a core of its own, where the machine can do that. */
import { spawnSync } from "node:child_process";
import { availableParallelism } from "node:os";

export interface Cores {
  /** Put before a command. */
  readonly server: readonly string[];
  readonly load: readonly string[];
  /** For the reader of the figures. */
  readonly note: string;
}

export function pinnedCores(): Cores {
  const canPin = spawnSync("taskset", ["-c", "0", "true"]).status === 0;
  if (!canPin) return { server: [], load: [], note: "no taskset here: nothing is pinned, ratios are rough" };
  if (availableParallelism() < 2) {
    return { server: [], load: [], note: "one core: server and load share it, ratios are rough" };
  }
  const on = (core: number) => ["taskset", "-c", String(core)];
  return { server: on(0), load: on(1), note: "servers on core 0, load on core 1" };
}
