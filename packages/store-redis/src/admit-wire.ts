/** The admit script's arguments and answer. Their order is told at the head of lua/admit.lua. */
import { Bug } from "@kavach/model";
import {
  type AdmitRequest,
  type AdmitResult,
  type Candidate,
  type ChargeMemory,
  type CountMode,
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

/** Of one entry of a log. */
const ENTRY_BYTES = 12;
const READ_AT_ONCE = 24;
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
  const { session, countAttempt, rememberMs } = request;
  const large = plans.some(({ largeWindowsMs }) => largeWindowsMs.length > 0);
  let admissions = 0;
  let attempts = 0;
  let text = "";
  for (const { mode, retainMs, largeWindowsMs } of plans) {
    if (mode === "admissions") admissions = 1;
    else attempts = countAttempt ? 2 : 1;
    text += ` ${reachOf(request.candidates, mode)} ${retainMs}`;
    if (large) text += ` ${[largeWindowsMs.length, ...largeWindowsMs].join(" ")}`;
  }
  for (const candidate of request.candidates) text += numbersOfCandidate(candidate, session !== undefined);
  const mode = session === undefined ? 0 : MODE[session.mode];
  const times = session === undefined ? rememberMs : `${rememberMs} ${session.lifetimeMs}`;
  return `${mode}${admissions}${attempts}${large ? 1 : 0} ${times}${text}`;
}

/** Entries that limits of up to `READ_AT_ONCE` look at come with the newest one; others are asked for one by one. */
function reachOf(candidates: readonly Candidate[], mode: CountMode): number {
  let entries = 1;
  for (const { effect, limits } of candidates) {
    if (effect !== "permit") continue;
    for (const { count, max } of limits) if (count === mode && max > entries && max <= READ_AT_ONCE) entries = max;
  }
  return -entries * ENTRY_BYTES;
}

function numbersOfCandidate({ effect, limits, oldestSessionStartMs }: Candidate, named: boolean): string {
  // Without a session there is none that is young enough.
  if (!named && oldestSessionStartMs !== undefined) return " -2";
  const oldest = named ? ` ${oldestSessionStartMs ?? -1}` : "";
  if (effect === "refuse") return ` -1${oldest}`;
  let text = ` ${limits.length}${oldest}`;
  for (const { count, max, windowMs } of limits) text += ` ${count === "admissions" ? max : -max} ${windowMs}`;
  return text;
}

export function admitResult(reply: unknown, request: AdmitRequest): AdmitResult {
  if (typeof reply === "number") {
    return { kind: "admitted", nowMs: reply, candidate: 0, exceeded: [], memory: request.memory };
  }
  if (reply === "conflict" || reply === "session_unknown") return { kind: reply };
  if (typeof reply !== "string") throw new Bug("the admit script gave no answer");
  const [nowMs, candidate, memory, exceeded, startedAtMs, expiresAtMs, actionCount, ...facts] = reply.split("|");
  if (exceeded === undefined) throw new Bug("the admit script gave half an answer");
  const { session, principalId } = request;
  return {
    kind: "admitted",
    nowMs: Number(nowMs),
    candidate: candidate === "-1" ? undefined : Number(candidate),
    exceeded: readExceeded(exceeded),
    ...(memory !== "" && { memory: readMemory(memory as string) }),
    ...(session !== undefined && {
      // The facts come last, because they may hold any text.
      session: storedSession(session.id, principalId, [
        Number(startedAtMs),
        Number(expiresAtMs),
        Number(actionCount),
        facts.join("|"),
      ]),
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
