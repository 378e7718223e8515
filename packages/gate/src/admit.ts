/** The only step of a decision that waits for the network: one call to the store, or none. */
import type { Facts, Plan, PolicySet } from "@kavach/engine";
import { type Finding, InputError, type RefuseFinding, type Session, UnavailableError } from "@kavach/model";
import { type AdmitRequest, type AdmitResult, STORE_BOUNDS, type StoredSession } from "@kavach/store";
import type { Frame } from "./frame.ts";
import type { GateParts } from "./parts.ts";
import { revokedFinding, sessionInvalid } from "./revoked.ts";
import { ownerOf } from "./session-id.ts";
import type { Soon } from "./soon.ts";

type Candidates = Extract<Plan, { kind: "candidates" }>;

export type Admitted =
  /** The plan knew the answer. */
  | { readonly kind: "early"; readonly finding: Finding }
  /** The store or the session refuses. */
  | { readonly kind: "refused"; readonly finding: RefuseFinding }
  | { readonly kind: "admitted"; readonly planned: Candidates; readonly facts: Facts };

const REMEMBER_SKEW_MS = 2000;

export function admit(parts: GateParts, frame: Frame, planned: Plan): Soon<Admitted> {
  if (frame.stored) {
    const foreign = foreignSession(parts, frame);
    if (foreign !== undefined) return { kind: "refused", finding: foreign };
  }
  if (!frame.stored && planned.kind === "finding") return { kind: "early", finding: planned.finding };
  if (!frame.stored && planned.kind === "candidates" && !planned.needsStore) {
    return { kind: "admitted", planned, facts: localFacts(frame) };
  }
  return askStore(parts, frame, planned);
}

async function askStore(parts: GateParts, frame: Frame, planned: Plan): Promise<Admitted> {
  const candidates = planned.kind === "candidates" ? planned : undefined;
  let result: AdmitResult;
  try {
    result = await parts.store.admit(admitRequest(parts, frame, candidates));
  } catch (error) {
    if (!(error instanceof UnavailableError)) throw error;
    parts.report(error, "store unavailable");
    return { kind: "refused", finding: storeUnavailable(frame) };
  }
  const refused = await readSession(parts, frame, result);
  if (refused !== undefined) return { kind: "refused", finding: refused };
  if (planned.kind === "finding") return { kind: "early", finding: planned.finding };
  const admitted = result as Extract<AdmitResult, { kind: "admitted" }>;
  if (admitted.memory !== undefined) frame.times = admitted.memory;
  const session = frame.session === undefined ? frame.context.session : factsOf(frame.session);
  return {
    kind: "admitted",
    planned,
    facts: {
      nowMs: frame.nowMs,
      candidate: admitted.candidate,
      exceeded: admitted.exceeded,
      ...(session !== undefined && { session }),
    },
  };
}

/** No counter and no stored session: the first candidate holds. */
function localFacts(frame: Frame): Facts {
  const session = frame.context.session;
  return { nowMs: frame.nowMs, candidate: 0, exceeded: [], ...(session !== undefined && { session }) };
}

function admitRequest(parts: GateParts, frame: Frame, planned: Candidates | undefined): AdmitRequest {
  const { request, context } = frame;
  const mode = parts.session.mode;
  return {
    realm: request.realm,
    principalId: context.principal.id,
    actionName: context.action.name,
    evaluationId: frame.evaluationBytes(),
    requestDigest: frame.digest(),
    candidates: planned?.candidates ?? [],
    countAttempt: planned?.countAttempt ?? false,
    memory: frame.times,
    rememberMs: parts.permitTtlMs + REMEMBER_SKEW_MS,
    // Another policy may look further back than those that this call met.
    ...(frame.set.longestWindowMs > 0 && {
      retainMs: frame.set.longestWindowMs,
      largeWindowsMs: largeWindowsOf(frame.set),
    }),
    ...(frame.stored &&
      mode !== "inline" && {
        session: {
          id: context.session?.id ?? "",
          mode,
          origin: context.environment,
          born: parts.revocations.applied,
          lifetimeMs: parts.session.lifetimeMs,
        },
      }),
  };
}

/** Windows that are counted in parts: the store counts in them from the first call on, whichever policy it met. Once a set. */
function largeWindowsOf(set: PolicySet): readonly number[] {
  let windows = largeWindows.get(set);
  if (windows === undefined) {
    const large = set.limits.filter(({ max }) => max > STORE_BOUNDS.logEntriesMax);
    windows = [...new Set(large.map(({ windowMs }) => windowMs))];
    largeWindows.set(set, windows);
  }
  return windows;
}

const largeWindows = new WeakMap<PolicySet, readonly number[]>();

/** Takes the store's answer about the session into the frame, or says why it does not stand. */
async function readSession(parts: GateParts, frame: Frame, result: AdmitResult): Promise<RefuseFinding | undefined> {
  if (result.kind === "conflict") {
    const reason = "was used before for another request; draw a new one for each request";
    throw new InputError([{ field: "evaluation_id", reason }]);
  }
  if (result.kind === "session_unknown") return sessionInvalid("session is unknown");
  if (!frame.stored) return undefined;
  if (result.session === undefined) return sessionInvalid("session is unknown");
  frame.session = result.session;
  if (!rolesCovered(frame, result.session, parts)) return sessionInvalid("session belongs to another principal");
  // The session was born at a revision this node may not have seen: what was revoked before must be known first.
  if (!frame.bornElsewhere && !(await parts.revocations.reach(result.session.born))) {
    return sessionInvalid("session is unknown");
  }
  return revokedFinding(parts.revocations, frame);
}

/** Roles that the session was not opened with are somebody else's. */
function rolesCovered(frame: Frame, session: StoredSession, parts: GateParts): boolean {
  if (parts.session.mode !== "required") return true;
  return frame.context.principal.roles.every((role) => session.roles.includes(role));
}

function foreignSession(parts: GateParts, frame: Frame): RefuseFinding | undefined {
  const session = frame.context.session;
  if (session === undefined) return sessionInvalid("session is unknown");
  if (parts.session.mode !== "required") return undefined;
  const owner = ownerOf(session.id, frame.request.realm, frame.context.principal.id);
  if (owner === "own") return undefined;
  return sessionInvalid(owner === "foreign" ? "session belongs to another principal" : "session is unknown");
}

function storeUnavailable(frame: Frame): RefuseFinding {
  if (frame.stored) return sessionInvalid("session store unavailable");
  return { kind: "refuse", code: "POLICY_DENIED", evaluator: "policy", reason: "rate-limit backend unavailable" };
}

/** A kept session, as the engine knows sessions. */
export function factsOf(session: StoredSession): Session {
  return {
    id: session.id,
    startedAtMs: session.startedAtMs,
    actionCount: session.actionCount,
    ...(session.originIp !== undefined && { originIp: session.originIp }),
    ...(session.originGeo !== undefined && { originGeo: session.originGeo }),
    ...(session.originDevice !== undefined && { originDevice: session.originDevice }),
  };
}
