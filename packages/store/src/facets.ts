/** Parts of the Store port that can be chosen apart, limits here and sessions there, and how they make one store again. */
import type { InvalidationScope, Revision } from "@kavach/model";
import type { RevocationLog } from "./revocation-log.ts";
import type { AdmitRequest, AdmitResult, Candidate, Store, StoredSession } from "./store.ts";

/** Counts. Its `admit` is never asked about a session. */
export type RateLimitStore = Pick<Store, "admit" | "ping" | "close">;

/** Keeps sessions. Its `admit` is asked about sessions only: no candidate, no attempt. */
export type SessionStore = Pick<
  Store,
  "admit" | "openSession" | "getSession" | "listSessions" | "closeSession" | "ping" | "close"
>;

/** Makes invalidations known to every gate that shares it. */
export interface InvalidationBroadcaster {
  /** What is told, in order. */
  readonly log: RevocationLog;
  /** True: whoever shares it lives in this process, so what is told is known at once. False: readers have to ask. */
  readonly local: boolean;
  /** Rejects when it is not recorded for certain. `realm`: the default realm where none is given. */
  publish(scope: InvalidationScope, options?: { readonly realm?: string }): Promise<Revision>;
}

export interface StoreFacets {
  /** Whatever no facet is given for; redemptions always. */
  readonly base: Store;
  readonly rates?: RateLimitStore | undefined;
  readonly sessions?: SessionStore | undefined;
}

/** One store of its facets. */
export function composeStore({ base, rates = base, sessions = base }: StoreFacets): Store {
  if (rates === base && sessions === base) return base;
  const parts = [...new Set<RateLimitStore>([base, rates, sessions])];
  return {
    admit: (request) =>
      request.session === undefined || (rates as unknown) === sessions
        ? rates.admit(request)
        : admitApart(rates, sessions, request),
    redeem: (request) => base.redeem(request),
    openSession: (request) => sessions.openSession(request),
    getSession: (realm, principalId, id) => sessions.getSession(realm, principalId, id),
    listSessions: (realm, principalId) => sessions.listSessions(realm, principalId),
    closeSession: (realm, principalId, id) => sessions.closeSession(realm, principalId, id),
    async ping() {
      await Promise.all(parts.map(async (part) => await part.ping()));
    },
    async close() {
      await Promise.all(parts.map(async (part) => await part.close()));
    },
  };
}

/** The session first: which candidates its age rules out must be known before one of them is charged. */
async function admitApart(rates: RateLimitStore, sessions: SessionStore, request: AdmitRequest): Promise<AdmitResult> {
  const { session: _named, ...counted } = request;
  const entered = await sessions.admit({
    ...request,
    evaluationId: sessionCallId(request.evaluationId),
    candidates: [],
    countAttempt: false,
  });
  if (entered.kind !== "admitted") return entered;
  const { session } = entered;
  if (session === undefined) return { kind: "session_unknown" };
  const open = openCandidates(request.candidates, session);
  const first = open[0];
  if (!request.countAttempt && (first === undefined || first.candidate.limits.length === 0)) {
    return { ...entered, candidate: first?.index, exceeded: [] };
  }
  const admitted = await rates.admit({ ...counted, candidates: open.map(({ candidate }) => candidate) });
  if (admitted.kind !== "admitted") return admitted;
  const indexOf = (position: number) => open[position]?.index ?? position;
  const memory = admitted.memory ?? entered.memory;
  return {
    ...admitted,
    candidate: admitted.candidate === undefined ? undefined : indexOf(admitted.candidate),
    exceeded: admitted.exceeded.map((exceeded) => ({ ...exceeded, candidate: indexOf(exceeded.candidate) })),
    session,
    ...(memory !== undefined && { memory }),
  };
}

function openCandidates(candidates: readonly Candidate[], session: StoredSession) {
  return candidates.flatMap(({ oldestSessionStartMs, ...candidate }, index) =>
    oldestSessionStartMs === undefined || session.startedAtMs >= oldestSessionStartMs ? [{ candidate, index }] : [],
  );
}

/** Both facets may stand on one server, where two calls under one id would be taken for one. */
function sessionCallId(evaluationId: Uint8Array): Uint8Array {
  return evaluationId.map((byte) => byte ^ 0x5a);
}
