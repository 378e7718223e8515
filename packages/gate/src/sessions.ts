/** Sessions kept by the gate. No record says "revoked": closing writes a mark to the revocation log first, then deletes. */
import type { Clock, Environment, Principal, RandomBytes, Revision } from "@kavach/model";
import type { Store, StoredSession } from "@kavach/store";
import { GateError } from "./errors.ts";
import type { RevocationView } from "./freshness.ts";
import type { Publish } from "./outbox.ts";
import { issueSessionId } from "./session-id.ts";

export interface SessionParts {
  readonly store: Store;
  readonly revocations: RevocationView;
  readonly publish: Publish;
  readonly random: RandomBytes;
  readonly clock: Clock;
  /** Absolute lifetime, milliseconds. */
  readonly lifetimeMs: number;
}

export class Sessions {
  readonly #parts: SessionParts;

  constructor(parts: SessionParts) {
    this.#parts = parts;
  }

  /** Asks for a fresh head first: what was revoked before the session is born must not void it, what comes after must. */
  async open(realm: string, principal: Principal, origin: Environment): Promise<StoredSession> {
    const { store, revocations, random, lifetimeMs } = this.#parts;
    const born = await revocations.freshHead();
    const id = issueSessionId(random(16), realm, principal.id);
    return await store.openSession({ realm, principal, origin, born, lifetimeMs, id });
  }

  async get(realm: string, principalId: string, sessionId: string): Promise<StoredSession> {
    const session = await this.#parts.store.getSession(realm, principalId, sessionId);
    if (session === undefined) throw new GateError("SESSION_NOT_FOUND", "no such session of this principal");
    return session;
  }

  async list(realm: string, principalId: string): Promise<readonly StoredSession[]> {
    return await this.#parts.store.listSessions(realm, principalId);
  }

  /** Ends a session for good, on every node. Closing one that is gone writes its mark all the same. */
  async close(realm: string, principalId: string, sessionId: string): Promise<Revision> {
    const { store, revocations, publish } = this.#parts;
    const target = { kind: "session", principalId, id: sessionId } as const;
    const scope = { target, reason: "session closed", evaluator: "gate" };
    const revision = await publish(realm, scope, "");
    await revocations.reach(revision);
    await store.closeSession(realm, principalId, sessionId);
    return revision;
  }
}
