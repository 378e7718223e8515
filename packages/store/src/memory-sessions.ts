/** Sessions of the memory twin: absolute lifetime, counted decisions, and a stone for what has ended so that no first use opens it again. */
import { Bug, type Device, type Environment, type GeoLocation, type Revision } from "@kavach/model";
import { ExpiringMap } from "./expiring-map.ts";
import type { AdmitRequest, OpenSessionRequest, StoredSession } from "./store.ts";

interface SessionRecord {
  readonly facts: Omit<StoredSession, "actionCount">;
  readonly lifetimeMs: number;
  actionCount: number;
  /** The newest instant at which it was used: time does not run backwards for it. */
  seenAtMs: number;
  ended: boolean;
}

interface NewSession {
  readonly id: string;
  readonly principalId: string;
  readonly roles: readonly string[];
  readonly origin: Environment;
  readonly born: Revision;
  readonly lifetimeMs: number;
}

export class MemorySessions {
  readonly #records = new ExpiringMap<SessionRecord>();
  /** Ids by principal, in the order they were opened, and when the last of them ends. */
  readonly #ids = new ExpiringMap<{ readonly ids: ExpiringMap<true>; readonly endsAtMs: number }>();

  open(request: OpenSessionRequest, nowMs: number): StoredSession {
    const { realm, principal, origin, born, lifetimeMs, id } = request;
    const known = this.#records.get(sessionKey(realm, principal.id, id), nowMs);
    if (known === undefined) {
      const roles = [...principal.roles];
      return snapshot(this.#create(realm, { id, principalId: principal.id, roles, origin, born, lifetimeMs }, nowMs));
    }
    if (isOver(known, nowMs)) throw new Bug("a session id was issued twice");
    return snapshot(known);
  }

  /** The session as it was before this decision, which is not counted yet; undefined: unknown, closed or expired. */
  enter(request: AdmitRequest, nowMs: number): StoredSession | undefined {
    const { session, realm, principalId } = request;
    if (session === undefined) return undefined;
    const record = this.#records.get(sessionKey(realm, principalId, session.id), nowMs);
    if (record === undefined) {
      if (session.mode === "required") return undefined;
      return snapshot(this.#create(realm, { ...session, principalId, roles: [] }, nowMs));
    }
    if (isOver(record, nowMs)) {
      record.ended = true;
      return undefined;
    }
    return snapshot(record);
  }

  count(realm: string, principalId: string, id: string, nowMs: number): void {
    const record = this.#records.get(sessionKey(realm, principalId, id), nowMs);
    if (record === undefined) return;
    record.actionCount += 1;
    record.seenAtMs = Math.max(record.seenAtMs, nowMs);
  }

  get(realm: string, principalId: string, id: string, nowMs: number): StoredSession | undefined {
    const record = this.#records.get(sessionKey(realm, principalId, id), nowMs);
    return record === undefined || isOver(record, nowMs) ? undefined : snapshot(record);
  }

  list(realm: string, principalId: string, nowMs: number): StoredSession[] {
    const ids = this.#ids.get(principalKey(realm, principalId), nowMs)?.ids.keys(nowMs) ?? [];
    return [...ids].flatMap((id) => this.get(realm, principalId, id, nowMs) ?? []);
  }

  close(realm: string, principalId: string, id: string, nowMs: number): boolean {
    const record = this.#records.get(sessionKey(realm, principalId, id), nowMs);
    if (record === undefined || isOver(record, nowMs)) return false;
    record.ended = true;
    this.#ids.get(principalKey(realm, principalId), nowMs)?.ids.delete(id);
    return true;
  }

  #create(realm: string, session: NewSession, nowMs: number): SessionRecord {
    const { id, principalId, lifetimeMs, origin } = session;
    const expiresAtMs = nowMs + lifetimeMs;
    const facts = {
      id,
      principalId,
      roles: session.roles,
      startedAtMs: nowMs,
      expiresAtMs,
      born: session.born,
      ...originFacts(origin),
    };
    const record = { facts, lifetimeMs, actionCount: 0, seenAtMs: nowMs, ended: false };
    // The stone stays for one lifetime more: as long as anything that began with the session can matter.
    this.#records.set(sessionKey(realm, principalId, id), record, expiresAtMs + lifetimeMs, nowMs);
    const key = principalKey(realm, principalId);
    const known = this.#ids.get(key, nowMs);
    const ids = known?.ids ?? new ExpiringMap<true>();
    ids.set(id, true, expiresAtMs, nowMs);
    const endsAtMs = Math.max(known?.endsAtMs ?? 0, expiresAtMs);
    this.#ids.set(key, { ids, endsAtMs }, endsAtMs, nowMs);
    return record;
  }
}

/** What a session keeps of the environment it was opened in. */
export function originFacts(origin: Environment): {
  readonly originIp?: string;
  readonly originGeo?: GeoLocation;
  readonly originDevice?: Device;
} {
  return {
    ...(origin.ip !== undefined && { originIp: origin.ip }),
    ...(origin.geo !== undefined && { originGeo: origin.geo }),
    ...(origin.device !== undefined && { originDevice: origin.device }),
  };
}

function isOver(record: SessionRecord, nowMs: number): boolean {
  return record.ended || Math.max(nowMs, record.seenAtMs) >= record.facts.expiresAtMs;
}

function snapshot(record: SessionRecord): StoredSession {
  return { ...record.facts, actionCount: record.actionCount };
}

function principalKey(realm: string, principalId: string): string {
  return JSON.stringify([realm, principalId]);
}

function sessionKey(realm: string, principalId: string, id: string): string {
  return JSON.stringify([realm, principalId, id]);
}
