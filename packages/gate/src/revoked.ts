/** The first and the last question of every decision: is this revoked, and do we know freshly enough that it is not? */
import type { RefuseFinding, RevocationSubject } from "@kavach/model";
import type { StoredSession } from "@kavach/store";
import type { Frame } from "./frame.ts";
import type { RevocationView } from "./freshness.ts";

export function sessionInvalid(reason: string, evaluator = "gate"): RefuseFinding {
  return { kind: "refuse", code: "SESSION_INVALID", evaluator, reason };
}

/** A refusal where the session, principal, role or realm is revoked, or the node's knowledge is older than its lease. */
export function revokedFinding(view: RevocationView, frame: Frame): RefuseFinding | undefined {
  if (frame.context.session?.invalidated === true || view.isRevoked(subjectOf(frame))) {
    return sessionInvalid("session has been invalidated");
  }
  const staleMs = view.staleForMs();
  if (staleMs === undefined) return undefined;
  const age = Number.isFinite(staleMs) ? `${staleMs} ms old` : "not known yet";
  return sessionInvalid(`revocation state is ${age}`, "freshness");
}

function subjectOf(frame: Frame): RevocationSubject {
  const { principal, session } = frame.context;
  const who = { realm: frame.request.realm, principalId: principal.id, roles: principal.roles };
  if (session === undefined) return who;
  if (frame.session !== undefined) return { ...who, session: { id: session.id, ...birthOf(frame.session, frame) } };
  // Of a stored session that is not read yet only its own mark can be judged; admit brings the rest.
  if (frame.stored) return { ...who, session: { id: session.id, born: LATEST } };
  const startedAtMs = session.startAssumed === true ? 0 : session.startedAtMs;
  return { ...who, session: { id: session.id, startedAtMs } };
}

function birthOf({ born, startedAtMs }: StoredSession, { bornElsewhere }: Frame) {
  return bornElsewhere ? { startedAtMs } : { born };
}

const LATEST = Object.freeze({ generation: Number.MAX_SAFE_INTEGER, number: Number.MAX_SAFE_INTEGER });
