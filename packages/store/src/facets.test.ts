/** Limits and sessions kept apart answer as one store does; asked with the same calls, and where both facets are one server too. */
import type { Clock } from "@kavach/model";
import { describe, expect, it } from "vitest";
import { composeStore, type SessionStore } from "./facets.ts";
import { MemoryStore } from "./memory-store.ts";
import type { AdmitRequest, Candidate, Store } from "./store.ts";

class HandClock implements Clock {
  ms = 1_800_000_000_000;
  nowMs = () => this.ms;
  monotonicMs = () => this.ms;
}

const FREE: Candidate = { effect: "permit", limits: [] };
const LIMITED: Candidate = { effect: "permit", limits: [{ max: 1, windowMs: 60_000, count: "admissions" }] };
let calls = 0;

function call(candidates: readonly Candidate[], change: Partial<AdmitRequest> = {}): AdmitRequest {
  const evaluationId = new Uint8Array(16).fill(++calls);
  return {
    realm: "default",
    principalId: "bot",
    actionName: "act",
    evaluationId,
    requestDigest: new Uint8Array(32),
    candidates,
    countAttempt: false,
    memory: { issuedAtMs: 1, expiresAtMs: 2 },
    rememberMs: 32_000,
    session: {
      id: "s",
      mode: "open_on_first_use",
      origin: { ip: "10.0.0.1" },
      born: { generation: 1, number: 0 },
      lifetimeMs: 3_600_000,
    },
    ...change,
  };
}

const MAKERS: readonly (readonly [string, (clock: Clock) => Store])[] = [
  ["one store", (clock) => new MemoryStore(clock)],
  ["facets apart", (clock) => composeStore({ base: new MemoryStore(clock), sessions: new MemoryStore(clock) })],
  [
    "three stores",
    (clock) =>
      composeStore({ base: new MemoryStore(clock), rates: new MemoryStore(clock), sessions: new MemoryStore(clock) }),
  ],
  [
    "two names for one server",
    (clock) => {
      const server = new MemoryStore(clock);
      return composeStore({ base: new MemoryStore(clock), rates: server, sessions: sessionsOf(server) });
    },
  ],
];

/** Another object on the same state. */
function sessionsOf(server: MemoryStore): SessionStore {
  return {
    admit: (request) => server.admit(request),
    openSession: (request) => server.openSession(request),
    getSession: (realm, principalId, id) => server.getSession(realm, principalId, id),
    listSessions: (realm, principalId) => server.listSessions(realm, principalId),
    closeSession: (realm, principalId, id) => server.closeSession(realm, principalId, id),
    ping: () => server.ping(),
    close: () => server.close(),
  };
}

describe.each(MAKERS)("%s", (_name, make) => {
  it("takes the first candidate whose limit has a place, and names those before it", async () => {
    const store = make(new HandClock());
    expect(await store.admit(call([LIMITED]))).toMatchObject({ kind: "admitted", candidate: 0, exceeded: [] });
    expect(await store.admit(call([LIMITED, FREE]))).toMatchObject({ candidate: 1, exceeded: [{ candidate: 0 }] });
    expect(await store.admit(call([LIMITED]))).toMatchObject({ candidate: undefined, exceeded: [{ candidate: 0 }] });
  });

  it("keeps the session: opened at first use, counted with each call, its origin the first", async () => {
    const store = make(new HandClock());
    await store.admit(call([FREE]));
    const again = await store.admit(call([FREE]));
    expect(again).toMatchObject({ candidate: 0, session: { id: "s", actionCount: 1, originIp: "10.0.0.1" } });
    expect(await store.getSession("default", "bot", "s")).toMatchObject({ actionCount: 2 });
    expect(await store.closeSession("default", "bot", "s")).toBe(true);
    expect(await store.admit(call([FREE]))).toEqual({ kind: "session_unknown" });
  });

  it("passes over candidates whose session is too old, without charging them", async () => {
    const clock = new HandClock();
    const store = make(clock);
    await store.admit(call([FREE]));
    const young = { ...LIMITED, oldestSessionStartMs: clock.ms + 1 };
    expect(await store.admit(call([young, LIMITED]))).toMatchObject({ candidate: 1, exceeded: [] });
    expect(await store.admit(call([young]))).toMatchObject({ candidate: undefined, exceeded: [] });
  });

  it("answers a retry as the first call, and another request under its id as a conflict", async () => {
    const store = make(new HandClock());
    const first = call([LIMITED]);
    const [answer, again] = [await store.admit(first), await store.admit(first)];
    expect(again).toEqual(answer);
    expect(await store.admit({ ...first, requestDigest: new Uint8Array(32).fill(1) })).toEqual({ kind: "conflict" });
  });
});
