/** Sends work to the portable provider's thread, and starts it when there is work. */
import { Worker } from "node:worker_threads";
import type { PortableJob } from "./portable-algorithms.ts";

interface Waiting {
  readonly resolve: (value: Uint8Array | boolean) => void;
  readonly reject: (error: Error) => void;
}

// Built code lies beside this file as JavaScript.
const WORKER = new URL(
  import.meta.url.endsWith(".ts") ? "./portable-worker.ts" : "./portable-worker.js",
  import.meta.url,
);

let worker: Worker | undefined;
let lastId = 0;
const waiting = new Map<number, Waiting>();

/** Rejects when the work cannot be done, or the thread ends before it is. */
export function runInThread(job: PortableJob): Promise<Uint8Array | boolean> {
  worker ??= start();
  const thread = worker;
  return new Promise((resolve, reject) => {
    lastId++;
    waiting.set(lastId, { resolve, reject });
    // Only work that is waited for keeps the process alive.
    thread.ref();
    thread.postMessage({ id: lastId, job });
  });
}

function start(): Worker {
  // Flags of the process, from its command line or NODE_OPTIONS, are about its own entry: `--input-type` beside `-e`, or a module that is loaded
  // first, would end or burden the thread.
  const started = new Worker(WORKER, { execArgv: [], env: {} });
  started.on("message", ({ id, value }: { readonly id: number; readonly value?: Uint8Array | boolean }) => {
    const one = waiting.get(id);
    waiting.delete(id);
    if (waiting.size === 0) started.unref();
    if (value === undefined) one?.reject(new Error("the portable provider could not do it"));
    else one?.resolve(value);
  });
  started.on("error", (cause) => giveUp(started, cause));
  started.on("exit", () => giveUp(started));
  return started;
}

/** The next piece of work starts another thread. */
function giveUp(ended: Worker, cause?: unknown): void {
  if (worker !== ended) return;
  worker = undefined;
  for (const { reject } of waiting.values()) reject(new Error("the portable provider's thread ended", { cause }));
  waiting.clear();
}
