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

/** The logs that the call reads or writes, admissions first. Throws `Bug` where the request breaks the port's rules. */
export function planLogs(request: AdmitRequest): LogPlan[] {
  if (request.evaluationId.length !== 16) throw new Bug("an evaluation id has 16 bytes");
  if (request.requestDigest.length !== 32) throw new Bug("a request digest has 32 bytes");
  const plans: LogPlan[] = [];
  for (const mode of ["admissions", "attempts"] as const) {
    const limits = request.candidates
      .flatMap((c) => (c.effect === "permit" ? c.limits : []))
      .filter((l) => l.count === mode);
    for (const limit of limits) {
      if (!isPositive(limit.max) || !isPositive(limit.windowMs) || limit.windowMs > LIMITS.rateWindowMsMax) {
        throw new Bug(`rate limit out of range: ${limit.max} in ${limit.windowMs} ms`);
      }
    }
    if (limits.length === 0 && !(mode === "attempts" && request.countAttempt)) continue;
    const longestMs = Math.max(
      request.retainMs ?? 0,
      ...(request.largeWindowsMs ?? []),
      ...limits.map((limit) => limit.windowMs),
    );
    const large = limits.filter((limit) => limit.max > STORE_BOUNDS.logEntriesMax).map((limit) => limit.windowMs);
    large.push(...(request.largeWindowsMs ?? []));
    plans.push({
      mode,
      retainMs: longestMs > 0 ? longestMs : LIMITS.rateWindowMsMax,
      largeWindowsMs: [...new Set(large)].sort((a, b) => a - b),
    });
  }
  return plans;
}

function isPositive(value: number): boolean {
  return Number.isSafeInteger(value) && value > 0;
}
