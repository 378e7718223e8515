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
  readonly args: readonly string[];
}

const MODE = { required: 1, open_on_first_use: 2 } as const;

export function admitCall(request: AdmitRequest, keys: PrincipalKeys): ScriptCall {
  const { session, memory, actionName } = request;
  const plans = planLogs(request);
  const called = [keys.charge(base64Of(request.evaluationId))];
  if (session !== undefined) called.push(keys.session(session.id), keys.sessionIndex());
  for (const { mode } of plans) called.push(keys.entries(mode, actionName), keys.buckets(mode, actionName));
  const charge = `${base64Of(request.requestDigest)}|${memory.issuedAtMs}:${memory.expiresAtMs}`;
  const args = [charge, numbersOf(request, plans)];
  if (session !== undefined) args.push(session.id, sessionFacts([], session));
  return { keys: called, args };
}

/** One text for the script to walk: an argument each costs server and client several times as much. */
function numbersOf(request: AdmitRequest, plans: readonly LogPlan[]): string {
  const { rememberMs, session, countAttempt } = request;
  let text = session === undefined ? `${rememberMs} 0 0` : `${rememberMs} ${MODE[session.mode]} ${session.lifetimeMs}`;
  let logs = "";
  let admissions = 0;
  let attempts = 0;
  for (const { mode, retainMs, largeWindowsMs } of plans) {
    if (mode === "admissions") admissions = 1;
    else attempts = countAttempt ? 2 : 1;
    logs += ` ${retainMs} ${largeWindowsMs.length}`;
    for (const windowMs of largeWindowsMs) logs += ` ${windowMs}`;
  }
  text += ` ${admissions} ${attempts}${logs}`;
  for (const { effect, limits, oldestSessionStartMs } of request.candidates) {
    text += ` ${effect === "permit" ? limits.length : -1} ${oldestSessionStartMs ?? -1}`;
    if (effect !== "permit") continue;
    for (const { count, max, windowMs } of limits) text += ` ${count === "admissions" ? max : -max} ${windowMs}`;
  }
  return text;
}

export function admitResult(reply: unknown, request: AdmitRequest): AdmitResult {
  if (reply === "conflict" || reply === "session_unknown") return { kind: reply };
  if (!Array.isArray(reply)) throw new Bug("the admit script answered with no list");
  const [nowMs, candidate, charge, exceeded] = reply as [number, number, 0 | 1 | string, string | undefined];
  return {
    kind: "admitted",
    nowMs,
    candidate: candidate < 0 ? undefined : candidate,
    exceeded: exceeded === undefined ? [] : readExceeded(exceeded),
    ...(charge !== 0 && { memory: charge === 1 ? request.memory : readMemory(charge) }),
    ...(request.session !== undefined && {
      session: storedSession(request.session.id, request.principalId, reply.slice(4)),
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

function base64Of(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64url");
}

function readMemory(text: string): ChargeMemory {
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
