/** The Store in the process's own memory: for the embedded gate, and the twin that every other adapter is compared with. */
import { type Clock, LIMITS } from "@kavach/model";
import { AdmissionLog } from "./admission-log.ts";
import { type LogPlan, planLogs } from "./admit-plan.ts";
import { STORE_BOUNDS } from "./bounds.ts";
import { ExpiringMap } from "./expiring-map.ts";
import { MemorySessions } from "./memory-sessions.ts";
import type {
  AdmitRequest,
  AdmitResult,
  Candidate,
  ChargeMemory,
  CountMode,
  Exceeded,
  OpenSessionRequest,
  RedeemRequest,
  RedeemResult,
  Store,
  StoredSession,
} from "./store.ts";

/** What one evaluation wrote and was told, for its retries. */
interface Charge {
  readonly digest: string;
  readonly memory: ChargeMemory;
  readonly candidate: number | undefined;
  readonly exceeded: readonly Exceeded[];
  readonly actionCount: number;
}

/** One log as one call sees it. */
interface OpenLog {
  readonly plan: LogPlan;
  readonly key: string;
  readonly log: AdmissionLog;
  readonly nowUs: number;
}

type Logs = ReadonlyMap<CountMode, OpenLog>;

/** Every method runs to its end before the next one starts, so nothing can come between a check and its charge. */
export class MemoryStore implements Store {
  readonly #clock: Clock;
  readonly #logs = new ExpiringMap<AdmissionLog>();
  readonly #charges = new ExpiringMap<Charge>();
  readonly #redeemed = new ExpiringMap<true>();
  readonly #sessions = new MemorySessions();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async admit(request: AdmitRequest): Promise<AdmitResult> {
    const plans = planLogs(request);
    const timeUs = Math.floor(this.#clock.nowMs() * 1000);
    const nowMs = Math.floor(timeUs / 1000);
    const { realm, principalId, session: named } = request;
    const chargeKey = JSON.stringify([realm, principalId, hexOf(request.evaluationId)]);
    const digest = hexOf(request.requestDigest);
    const earlier = this.#charges.get(chargeKey, nowMs);
    if (earlier !== undefined && earlier.digest !== digest) return { kind: "conflict" };
    const session = this.#sessions.enter(request, nowMs);
    if (named !== undefined && session === undefined) return { kind: "session_unknown" };
    if (earlier !== undefined) return replay(earlier, session, nowMs);

    const logs = this.#openLogs(request, plans, timeUs);
    const walked = walk(request, logs, session, timeUs);
    const charged = this.#charge(request, logs, walked.candidate);
    if (session !== undefined) this.#sessions.count(realm, principalId, session.id, nowMs);
    const result = { kind: "admitted", nowMs, ...walked, ...(session !== undefined && { session }) } as const;
    if (!charged && session === undefined) return result;
    const { memory, rememberMs } = request;
    const charge = { digest, memory, ...walked, actionCount: session?.actionCount ?? 0 };
    this.#charges.set(chargeKey, charge, nowMs + rememberMs, nowMs);
    return { ...result, memory };
  }

  async redeem(request: RedeemRequest): Promise<RedeemResult> {
    const nowMs = Math.floor(this.#clock.nowMs());
    const key = JSON.stringify([request.realm, request.principalId, hexOf(request.tokenId)]);
    // Written so that an expiry which is no number is over.
    if (!(nowMs < request.expiresAtMs)) return "expired";
    if (this.#redeemed.get(key, nowMs) === true) return "already_redeemed";
    this.#redeemed.set(key, true, request.expiresAtMs + LIMITS.redeemedGraceMs, nowMs);
    return "redeemed";
  }

  async openSession(request: OpenSessionRequest): Promise<StoredSession> {
    return this.#sessions.open(request, this.#nowMs());
  }

  async getSession(realm: string, principalId: string, sessionId: string): Promise<StoredSession | undefined> {
    return this.#sessions.get(realm, principalId, sessionId, this.#nowMs());
  }

  async listSessions(realm: string, principalId: string): Promise<readonly StoredSession[]> {
    return this.#sessions.list(realm, principalId, this.#nowMs());
  }

  async closeSession(realm: string, principalId: string, sessionId: string): Promise<boolean> {
    return this.#sessions.close(realm, principalId, sessionId, this.#nowMs());
  }

  async ping(): Promise<void> {}

  async close(): Promise<void> {}

  #nowMs(): number {
    return Math.floor(this.#clock.nowMs());
  }

  #openLogs(request: AdmitRequest, plans: readonly LogPlan[], timeUs: number): Logs {
    const { realm, principalId, actionName } = request;
    const logs = new Map<CountMode, OpenLog>();
    for (const plan of plans) {
      const key = JSON.stringify([realm, principalId, actionName, plan.mode]);
      const known = this.#logs.get(key, timeUs / 1000);
      const log = known ?? new AdmissionLog();
      const nowUs = Math.max(timeUs, log.newestUs);
      log.prepare(
        plan.retainMs * 1000,
        plan.largeWindowsMs.map((windowMs) => windowMs * 1000),
        nowUs,
      );
      const opened = { plan, key, log, nowUs };
      logs.set(plan.mode, opened);
      if (known !== undefined) this.#keep(opened, timeUs);
    }
    return logs;
  }

  /** True when an entry was written. */
  #charge(request: AdmitRequest, logs: Logs, candidate: number | undefined): boolean {
    const taken = candidate === undefined ? undefined : request.candidates[candidate];
    const admission = taken?.effect === "permit" && taken.limits.some((limit) => limit.count === "admissions");
    const written: OpenLog[] = [];
    const admissions = logs.get("admissions");
    if (admission && admissions !== undefined) written.push(admissions);
    const attempts = logs.get("attempts");
    if (request.countAttempt && attempts !== undefined) written.push(attempts);
    for (const opened of written) {
      opened.log.append(opened.nowUs);
      this.#keep(opened, opened.nowUs);
    }
    return written.length > 0;
  }

  #keep({ key, log }: OpenLog, nowUs: number): void {
    const expiresAtMs = Math.ceil((log.newestUs + log.retainUs) / 1000) + STORE_BOUNDS.logGraceMs;
    this.#logs.set(key, log, expiresAtMs, nowUs / 1000);
  }
}

/** The answer of the first call, with the session as it was then. */
function replay(charge: Charge, session: StoredSession | undefined, nowMs: number): AdmitResult {
  const { candidate, exceeded, memory, actionCount } = charge;
  const then = session === undefined ? {} : { session: { ...session, actionCount } };
  return { kind: "admitted", nowMs, candidate, exceeded, memory, ...then };
}

/** The first candidate that holds, and the permit candidates before it that only their limits kept from holding. */
function walk(
  request: AdmitRequest,
  logs: Logs,
  session: StoredSession | undefined,
  timeUs: number,
): { candidate: number | undefined; exceeded: Exceeded[] } {
  const exceeded: Exceeded[] = [];
  for (const [index, candidate] of request.candidates.entries()) {
    const { oldestSessionStartMs } = candidate;
    if (oldestSessionStartMs !== undefined && !(session !== undefined && session.startedAtMs >= oldestSessionStartMs)) {
      continue;
    }
    const freeAtUs = candidate.effect === "refuse" ? 0 : fullUntilUs(candidate, logs, request.countAttempt);
    if (freeAtUs === 0) return { candidate: index, exceeded };
    exceeded.push({ candidate: index, retryAfterMs: Math.ceil((freeAtUs - timeUs) / 1000) });
  }
  return { candidate: undefined, exceeded };
}

/** 0 where every limit has a place; else when the last of them has one again. */
function fullUntilUs(candidate: Candidate, logs: Logs, countAttempt: boolean): number {
  let freeAtUs = 0;
  for (const limit of candidate.limits) {
    const opened = logs.get(limit.count);
    if (opened === undefined) continue;
    const counted = limit.count === "attempts" && countAttempt;
    const full = opened.log.fullUntilUs(limit.max, limit.windowMs * 1000, counted, opened.nowUs);
    freeAtUs = Math.max(freeAtUs, full ?? 0);
  }
  return freeAtUs;
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

function hexOf(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += HEX[byte];
  return text;
}
