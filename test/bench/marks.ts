/** The rows of the revocation index: what a million marks take in memory and time, on one core. */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { atMost, type Bar } from "./bars.ts";
import type { Cores } from "./cores.ts";

/** Of a million marks, ids as gates issue them. */
export interface MarkFigures {
  /** Heap and buffers after a full collection, less what they were before. */
  readonly heapBytes: number;
  /** Of the process, likewise: with what the collector and the allocator keep for later, which depends on the rest of the run. */
  readonly rssBytes: number;
  readonly insertMs: number;
  /** The longest single insert, with whatever interrupted it. */
  readonly longestInsertMs: number;
  readonly hitsPerSecond: number;
  readonly missesPerSecond: number;
}

export interface MarkRates {
  readonly session: MarkFigures;
  readonly principal: MarkFigures;
}

export async function measureMarks(cores: Cores, progress: (step: string) => void): Promise<MarkRates> {
  progress("a million marks");
  return { session: await figuresOf(cores, "session"), principal: await figuresOf(cores, "principal") };
}

async function figuresOf(cores: Cores, kind: keyof MarkRates): Promise<MarkFigures> {
  const child = join(import.meta.dirname, "marks-child.ts");
  const [command = "", ...args] = [...cores.server, process.execPath, "--expose-gc", child, kind];
  const { stdout } = await promisify(execFile)(command, args, { timeout: 120_000 });
  return JSON.parse(stdout) as MarkFigures;
}

export function markBarsOf({ session, principal }: MarkRates): Bar[] {
  return [
    atMost("a million session marks", session.heapBytes / 1e6, 64, "MB"),
    atMost("a million principal marks", principal.heapBytes / 1e6, 64, "MB"),
  ];
}
