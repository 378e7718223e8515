/** The thread in which the portable provider signs and verifies. Started by `portable-thread.ts`, never imported. */
import { parentPort } from "node:worker_threads";
import { type PortableJob, runPortableJob } from "./portable-algorithms.ts";

parentPort?.on("message", ({ id, job }: { readonly id: number; readonly job: PortableJob }) => {
  try {
    parentPort?.postMessage({ id, value: runPortableJob(job) });
  } catch {
    // The reason stays here: a library's message may quote its input.
    parentPort?.postMessage({ id });
  }
});
