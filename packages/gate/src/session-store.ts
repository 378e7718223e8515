/** Sessions in this process's own memory, for gates that share them. */
import type { Clock } from "@kavach/model";
import {
  type AdmitRequest,
  type AdmitResult,
  MemoryStore,
  type OpenSessionRequest,
  type SessionStore,
  type StoredSession,
} from "@kavach/store";
import { SYSTEM_CLOCK } from "@kavach/system";
import { refuseUnknownKeys } from "./option-keys.ts";

export class InMemorySessionStore implements SessionStore {
  readonly #store: MemoryStore;

  /** `clock`: this machine's, unless a test brings its own. */
  constructor(options: { readonly clock?: Clock } = {}) {
    refuseUnknownKeys(options, ["clock"]);
    this.#store = new MemoryStore(options.clock ?? SYSTEM_CLOCK);
  }

  async admit(request: AdmitRequest): Promise<AdmitResult> {
    return await this.#store.admit(request);
  }

  async openSession(request: OpenSessionRequest): Promise<StoredSession> {
    return await this.#store.openSession(request);
  }

  async getSession(realm: string, principalId: string, sessionId: string): Promise<StoredSession | undefined> {
    return await this.#store.getSession(realm, principalId, sessionId);
  }

  async listSessions(realm: string, principalId: string): Promise<readonly StoredSession[]> {
    return await this.#store.listSessions(realm, principalId);
  }

  async closeSession(realm: string, principalId: string, sessionId: string): Promise<boolean> {
    return await this.#store.closeSession(realm, principalId, sessionId);
  }

  async ping(): Promise<void> {}

  async close(): Promise<void> {}
}
