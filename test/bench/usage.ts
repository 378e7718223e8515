/** What a process has used, as Linux counts it; undefined on other systems. */
import { readFileSync } from "node:fs";

/** Linux shows times to programs in hundredths of a second, on every architecture. */
const TICK_US = 10_000;

/** User and system time of all threads so far, microseconds. */
export function cpuTimeUs(pid: number): number | undefined {
  const stat = read(`/proc/${pid}/stat`);
  // The second field is the command in parentheses and may hold blanks; after it come state (3), ... utime (14), stime (15).
  const fields = stat?.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields === undefined ? undefined : (Number(fields[11]) + Number(fields[12])) * TICK_US;
}

/** The most memory it has held so far, bytes. */
export function peakMemoryBytes(pid: number): number | undefined {
  const kilobytes = /^VmHWM:\s+(\d+) kB$/m.exec(read(`/proc/${pid}/status`) ?? "")?.[1];
  return kilobytes === undefined ? undefined : Number(kilobytes) * 1024;
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
