/** The signer's row: what continuous signing does to the event loop of the process it runs in. */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { atMost, type Bar } from "./bars.ts";

/** Of one process that keeps 64 permits waiting for their signatures. */
export interface SigningFigures {
  readonly permitsPerSecond: number;
  readonly loopDelayP50Ms: number;
  readonly loopDelayP99Ms: number;
  readonly loopDelayMaxMs: number;
  /** From asking for a permit to having it, where nobody else asks. ML-DSA draws until it succeeds, so its times differ several times over. */
  readonly aloneP50Ms: number;
  readonly aloneP99Ms: number;
}

/** Not pinned: where the thread that signs must share the loop's core, the system's own time slices would be measured. */
export async function measureSigning(progress: (step: string) => void): Promise<SigningFigures> {
  progress("signing in process");
  const child = join(import.meta.dirname, "signing-child.ts");
  const { stdout } = await promisify(execFile)(process.execPath, [child], { timeout: 120_000 });
  return JSON.parse(stdout) as SigningFigures;
}

export function signingBarsOf({ loopDelayP99Ms }: SigningFigures): Bar[] {
  return [atMost("loop delay p99, 64 permits signed at a time", loopDelayP99Ms, 10, "ms")];
}
