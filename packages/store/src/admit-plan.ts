/** What an admit call asks of each log, worked out before the store is asked: the same for every adapter. */
import { Bug, LIMITS } from "@kavach/model";
import { STORE_BOUNDS } from "./bounds.ts";
import type { AdmitRequest, CountMode } from "./store.ts";

export interface LogPlan {
  readonly mode: CountMode;
  /** How long an entry must be kept, milliseconds. */
  readonly retainMs: number;
  /** Windows of limits that are too large for the log itself, each once, shortest first. */
  readonly largeWindowsMs: readonly number[];
}

const NONE: readonly number[] = [];

/** The logs that the call reads or writes, admissions first. Throws `Bug` where the request breaks the port's rules. */
export function planLogs(request: AdmitRequest): LogPlan[] {
  if (request.evaluationId.length !== 16) throw new Bug("an evaluation id has 16 bytes");
  if (request.requestDigest.length !== 32) throw new Bug("a request digest has 32 bytes");
  const admissions = planLog(request, "admissions", false);
  const attempts = planLog(request, "attempts", request.countAttempt);
  if (attempts === undefined) return admissions === undefined ? [] : [admissions];
  return admissions === undefined ? [attempts] : [admissions, attempts];
}

/** Undefined where no limit counts in it, and the call is not `written` to it either. Plain loops: every limited call comes by here. */
function planLog(request: AdmitRequest, mode: CountMode, written: boolean): LogPlan | undefined {
  const { candidates, retainMs = 0, largeWindowsMs: announced = NONE } = request;
  let longestMs = retainMs;
  let asked = written;
  let large = announced;
  for (const { effect, limits } of candidates) {
    if (effect !== "permit") continue;
    for (const { count, max, windowMs } of limits) {
      if (count !== mode) continue;
      if (!isPositive(max) || !isWindow(windowMs)) throw new Bug(`rate limit out of range: ${max} in ${windowMs} ms`);
      asked = true;
      if (windowMs > longestMs) longestMs = windowMs;
      if (max > STORE_BOUNDS.logEntriesMax && !large.includes(windowMs)) large = [...large, windowMs];
    }
  }
  if (!asked) return undefined;
  for (const windowMs of announced) if (windowMs > longestMs) longestMs = windowMs;
  if (longestMs === 0) longestMs = LIMITS.rateWindowMsMax;
  if (!isWindow(longestMs)) throw new Bug(`a log cannot be kept for ${longestMs} ms`);
  const largeWindowsMs = large.length < 2 ? large : [...new Set(large)].sort((a, b) => a - b);
  return { mode, retainMs: longestMs, largeWindowsMs };
}

function isWindow(ms: number): boolean {
  return isPositive(ms) && ms <= LIMITS.rateWindowMsMax;
}

function isPositive(value: number): boolean {
  return Number.isSafeInteger(value) && value > 0;
}
