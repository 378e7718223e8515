/** The admit script's arguments and answer. Their order is told at the head of lua/admit.lua. */
import { Bug } from "@kavach/model";
import {
  type AdmitRequest,
  type AdmitResult,
  type ChargeMemory,
  type Exceeded,
  type LogPlan,
  originFacts,
  planLogs,
  type StoredSession,
} from "@kavach/store";
import type { PrincipalKeys } from "./keys.ts";

export interface ScriptCall {
  readonly keys: readonly string[];
  readonly args: readonly (string | number)[];
}

export function admitCall(request: AdmitRequest, keys: PrincipalKeys): ScriptCall {
  const plans = planLogs(request);
  const { session, memory, actionName } = request;
  const logOf = (mode: LogPlan["mode"]) => plans.findIndex((plan) => plan.mode === mode) + 1;
  const args: (string | number)[] = [
    hexOf(request.requestDigest),
    `${memory.issuedAtMs}:${memory.expiresAtMs}`,
    request.rememberMs,
    session?.mode ?? "none",
    session?.id ?? "",
    session?.lifetimeMs ?? 0,
    session === undefined ? "" : sessionFacts([], session),
    plans.length,
    request.countAttempt ? logOf("attempts") : 0,
    logOf("admissions"),
  ];
  for (const plan of plans) {
    args.push(
      plan.retainMs * 1000,
      plan.largeWindowsMs.length,
      ...plan.largeWindowsMs.map((windowMs) => windowMs * 1000),
    );
  }
  args.push(request.candidates.length);
  for (const candidate of request.candidates) {
    const limits = candidate.effect === "permit" ? candidate.limits : [];
    args.push(candidate.effect, candidate.oldestSessionStartMs ?? "", limits.length);
    for (const limit of limits) args.push(logOf(limit.count), limit.max, limit.windowMs * 1000);
  }
  return {
    keys: [
      keys.charge(hexOf(request.evaluationId)),
      keys.session(session?.id ?? ""),
      keys.sessionIndex(),
      ...plans.flatMap(({ mode }) => [keys.entries(mode, actionName), keys.buckets(mode, actionName)]),
    ],
    args,
  };
}

export function admitResult(reply: unknown, request: AdmitRequest): AdmitResult {
  if (!Array.isArray(reply)) throw new Bug("the admit script answered with no list");
  const [kind, nowMs, candidate, exceeded, memory, ...session] = reply as [string, number, number, string, string];
  if (kind === "conflict" || kind === "session_unknown") return { kind };
  const charged = readMemory(memory);
  return {
    kind: "admitted",
    nowMs,
    candidate: candidate < 0 ? undefined : candidate,
    exceeded: readExceeded(exceeded),
    ...(charged !== undefined && { memory: charged }),
    ...(request.session !== undefined && {
      session: storedSession(request.session.id, request.principalId, session),
    }),
  };
}

/** What a session was opened with, as the scripts keep it. */
export function sessionFacts(
  roles: readonly string[],
  opened: { readonly born: StoredSession["born"]; readonly origin: Parameters<typeof originFacts>[0] },
): string {
  return JSON.stringify({ roles, born: opened.born, ...originFacts(opened.origin) });
}

/** A session from `[startedAtMs, expiresAtMs, actionCount, facts]`. */
export function storedSession(id: string, principalId: string, fields: readonly unknown[]): StoredSession {
  const [startedAtMs, expiresAtMs, actionCount, facts] = fields as [number, number, number, string];
  const { roles, born, ...origin } = JSON.parse(facts) as Pick<StoredSession, "roles" | "born">;
  return { id, principalId, roles, startedAtMs, expiresAtMs, born, ...origin, actionCount };
}

export function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex");
}

function readMemory(text: string): ChargeMemory | undefined {
  if (text === "") return undefined;
  const [issuedAtMs, expiresAtMs] = text.split(":").map(Number) as [number, number];
  return { issuedAtMs, expiresAtMs };
}

function readExceeded(text: string): Exceeded[] {
  if (text === "") return [];
  return text.split(",").map((item) => {
    const [candidate, retryAfterMs] = item.split(":").map(Number) as [number, number];
    return { candidate, retryAfterMs };
  });
}
