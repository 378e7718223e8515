/** Sessions: the store's facts, an absolute lifetime, and an end that no first use undoes. */
import { describe, expect, it } from "vitest";
import type { AdmitRequest, OpenSessionRequest, SessionMode } from "../store.ts";
import { admit, limit, request } from "./requests.ts";
import type { Under } from "./store-contract.ts";

const BORN = { generation: 3, number: 14 };

export function sessionCases(under: Under): void {
  describe("issued", () => issuedCases(under));
  describe("in a decision", () => decisionCases(under));
  describe("opened on first use", () => firstUseCases(under));
}

function opening(lifetimeMs: number, id = "s1"): OpenSessionRequest {
  return {
    realm: "default",
    principal: { id: "alice", kind: "user", roles: ["support", "__proto__"] },
    origin: { ip: "192.0.2.1", geo: { countryCode: "IN", city: "Chennai" }, device: { hash: "h" }, userAgent: "u" },
    born: BORN,
    lifetimeMs,
    id,
  };
}

function naming(lifetimeMs: number, mode: SessionMode, id = "s1"): Partial<AdmitRequest> {
  return { session: { id, mode, origin: { ip: "198.51.100.7" }, born: BORN, lifetimeMs } };
}

function issuedCases(under: Under): void {
  it("gives back what it was opened with", async () => {
    const { store } = under();
    const opened = await store.openSession(opening(60_000));
    expect(opened).toMatchObject({
      id: "s1",
      principalId: "alice",
      roles: ["support", "__proto__"],
      actionCount: 0,
      originIp: "192.0.2.1",
      originGeo: { countryCode: "IN", city: "Chennai" },
      originDevice: { hash: "h" },
      born: BORN,
    });
    expect(opened.expiresAtMs - opened.startedAtMs).toBe(60_000);
    expect(await store.getSession("default", "alice", "s1")).toEqual(opened);
  });

  it("is nobody else's", async () => {
    const { store } = under();
    await store.openSession(opening(60_000));
    expect(await store.getSession("default", "bob", "s1")).toBeUndefined();
    expect(await store.getSession("other", "alice", "s1")).toBeUndefined();
    expect(await store.closeSession("default", "bob", "s1")).toBe(false);
    expect(await store.listSessions("default", "bob")).toEqual([]);
  });

  it("lists what is open, and no more", async () => {
    const { store, windowMs, pass } = under();
    await store.openSession(opening(windowMs, "short"));
    await store.openSession(opening(windowMs * 1000, "long"));
    await store.openSession(opening(windowMs * 1000, "closed"));
    expect(await store.closeSession("default", "alice", "closed")).toBe(true);
    expect(await store.closeSession("default", "alice", "closed")).toBe(false);
    expect((await store.listSessions("default", "alice")).map((one) => one.id).sort()).toEqual(["long", "short"]);
    await pass(windowMs);
    expect((await store.listSessions("default", "alice")).map((one) => one.id)).toEqual(["long"]);
    expect(await store.getSession("default", "alice", "short")).toBeUndefined();
  });

  it("opens once under one id", async () => {
    const { store } = under();
    const first = await store.openSession(opening(60_000));
    expect(await store.openSession({ ...opening(90_000), born: { generation: 9, number: 9 } })).toEqual(first);
    await store.closeSession("default", "alice", "s1");
    await expect(store.openSession(opening(60_000))).rejects.toThrow("issued twice");
  });
}

function decisionCases(under: Under): void {
  it("refuses an unknown, foreign, closed or expired one, and charges nothing", async () => {
    const { store, windowMs, pass } = under();
    const ask = (more: Partial<AdmitRequest> = {}) =>
      store.admit(request([limit(1, 3_600_000)], { ...naming(windowMs, "required"), ...more }));
    expect(await ask()).toEqual({ kind: "session_unknown" });
    await store.openSession(opening(windowMs * 50, "s1"));
    expect(await ask({ principalId: "bob" })).toEqual({ kind: "session_unknown" });
    await store.closeSession("default", "alice", "s1");
    expect(await ask()).toEqual({ kind: "session_unknown" });
    await store.openSession(opening(windowMs, "s2"));
    await pass(windowMs);
    expect(await ask(naming(windowMs, "required", "s2"))).toEqual({ kind: "session_unknown" });
    await store.openSession(opening(windowMs * 50, "s3"));
    expect(await ask(naming(windowMs, "required", "s3"))).toMatchObject({ kind: "admitted", candidate: 0 });
  });

  it("counts every decision in it once, whatever the verdict", async () => {
    const { store } = under();
    await store.openSession(opening(60_000));
    const ask = (more: Partial<AdmitRequest> = {}) => request([], { ...naming(60_000, "required"), ...more });
    expect((await admit(store, ask())).session?.actionCount).toBe(0);
    const refused = ask({ candidates: [{ effect: "refuse", limits: [] }] });
    expect((await admit(store, refused)).session?.actionCount).toBe(1);
    expect((await admit(store, refused)).session?.actionCount).toBe(1);
    expect((await admit(store, ask({ candidates: [] }))).session?.actionCount).toBe(2);
    expect((await store.getSession("default", "alice", "s1"))?.actionCount).toBe(3);
  });

  it("skips candidates whose oldest session start lies after its own", async () => {
    const { store } = under();
    const { startedAtMs } = await store.openSession(opening(60_000));
    const candidates = [
      { effect: "refuse", limits: [], oldestSessionStartMs: startedAtMs + 1 },
      { effect: "permit", limits: [limit(1, 3_600_000)], oldestSessionStartMs: startedAtMs + 1 },
      { effect: "permit", limits: [limit(1, 3_600_000)], oldestSessionStartMs: startedAtMs },
    ] as const;
    const result = await admit(store, request([], { ...naming(60_000, "required"), candidates }));
    expect(result).toMatchObject({ candidate: 2, exceeded: [] });
    expect((await admit(store, request([], { candidates }))).candidate).toBeUndefined();
  });
}

function firstUseCases(under: Under): void {
  it("opens with the environment of that call", async () => {
    const { store } = under();
    const result = await admit(store, request([], naming(60_000, "open_on_first_use")));
    expect(result.session).toMatchObject({ id: "s1", roles: [], actionCount: 0, originIp: "198.51.100.7", born: BORN });
    const more = { ...naming(60_000, "open_on_first_use").session, origin: { ip: "203.0.113.9" } };
    const second = await admit(store, request([], { session: more as NonNullable<AdmitRequest["session"]> }));
    expect(second.session).toMatchObject({ actionCount: 1, originIp: "198.51.100.7" });
    expect(second.session?.startedAtMs).toBe(result.session?.startedAtMs);
  });

  it("opens once, of 200 at once", async () => {
    const { store } = under();
    const calls = Array.from({ length: 200 }, () => admit(store, request([], naming(60_000, "open_on_first_use"))));
    const sessions = (await Promise.all(calls)).map((result) => result.session);
    expect(new Set(sessions.map((session) => session?.startedAtMs)).size).toBe(1);
    expect(sessions.map((session) => session?.actionCount).sort((a, b) => (a ?? 0) - (b ?? 0))).toEqual(
      Array.from({ length: 200 }, (_, i) => i),
    );
  });

  it("stays over when the clock steps back after it was seen to be", async () => {
    const { store, windowMs, pass, stepBack } = under();
    const ask = () => store.admit(request([], naming(windowMs * 4, "open_on_first_use")));
    await ask();
    await pass(windowMs * 4);
    expect(await ask()).toEqual({ kind: "session_unknown" });
    stepBack?.(windowMs * 2);
    expect(await ask()).toEqual({ kind: "session_unknown" });
  });

  it("does not open what was closed or has expired", async () => {
    const { store, windowMs, pass } = under();
    await admit(store, request([], naming(windowMs * 50, "open_on_first_use", "closed")));
    await store.closeSession("default", "alice", "closed");
    const closed = naming(windowMs * 50, "open_on_first_use", "closed");
    expect(await store.admit(request([], closed))).toEqual({ kind: "session_unknown" });
    await admit(store, request([], naming(windowMs, "open_on_first_use", "short")));
    await pass(windowMs);
    const expired = naming(windowMs, "open_on_first_use", "short");
    expect(await store.admit(request([], expired))).toEqual({ kind: "session_unknown" });
  });
}
