/** The store's rows: a limited decision on Redis beside a bare sliding window through the same client, in one run. */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { startRedis } from "@kavach/testkit";
import { atLeast, atMost, type Bar } from "./bars.ts";
import type { Cores } from "./cores.ts";

export interface StoreFigures {
  readonly callsPerSecond: number;
  /** What the server says a script took (`INFO commandstats`), microseconds. */
  readonly scriptUs: number;
  /** Round trips of one call. */
  readonly scriptCallsPerCall: number;
  /** CPU of the whole server, with reading and writing, microseconds. */
  readonly serverCpuUs: number;
  readonly clientCpuUs: number;
}

/** Calls of one client with 64 outstanding, over a thousand principals. */
export interface StoreRates {
  readonly rawWindow: StoreFigures;
  /** With the commands of one turn of the event loop in few writes, as the store's own connection does it. */
  readonly rawWindowTogether: StoreFigures;
  /** The same, and every evaluation id is remembered with its digest: what a retry must not charge twice. */
  readonly rawWindowOnce: StoreFigures;
  readonly limited: StoreFigures;
  readonly twoLimits: StoreFigures;
  readonly limitedInSession: StoreFigures;
}

export async function measureStore(cores: Cores, progress: (step: string) => void): Promise<StoreRates> {
  progress("limits on Redis");
  const server = await startRedis();
  try {
    if (cores.server.length > 0) {
      await promisify(execFile)("taskset", ["-a", "-c", "-p", cores.server.at(-1) as string, String(server.pid)]);
    }
    const [command = "", ...args] = [
      ...cores.load,
      process.execPath,
      join(import.meta.dirname, "store-child.ts"),
      server.url,
    ];
    const { stdout } = await promisify(execFile)(command, args, { timeout: 120_000 });
    return JSON.parse(stdout) as StoreRates;
  } finally {
    await server.stop();
  }
}

export function storeBarsOf({ rawWindow, limited }: StoreRates): Bar[] {
  return [
    atLeast("limited decision on Redis / bare sliding window", limited.callsPerSecond / rawWindow.callsPerSecond, 0.8),
    atMost("round trips of a limited decision", limited.scriptCallsPerCall, 1, ""),
  ];
}
