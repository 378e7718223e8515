/** What every RevocationLog does, told as tests. An adapter calls `revocationLogContract` with a way to make a fresh one. */
import { type InvalidationScope, RevocationIndex, type RevocationSnapshot, ZERO_REVISION } from "@kavach/model";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { ReadResult, RevocationLog } from "../revocation-log.ts";

/** One fresh log that was never opened. */
export interface LogUnderTest {
  readonly log: RevocationLog;
  /** Records it keeps for `read`. */
  readonly historyMax: number;
  readonly dispose: () => Promise<void>;
}

type Under = () => LogUnderTest;

export function revocationLogContract(name: string, makeLog: () => Promise<LogUnderTest>): void {
  describe(name, () => {
    let current: LogUnderTest;
    const under: Under = () => current;
    beforeEach(async () => {
      current = await makeLog();
    });
    afterEach(async () => {
      await current.dispose();
    });
    describe("opening", () => openCases(under));
    describe("appending", () => appendCases(under));
    describe("reading", () => readCases(under));
    describe("the bell", () => bellCases(under));
  });
}

function principal(id: string, reason = "left"): InvalidationScope {
  return { target: { kind: "principal", id }, reason, evaluator: "admin" };
}

function append(log: RevocationLog, scope: InvalidationScope, idempotencyKey = "", realm = "default") {
  return log.append({ realm, scope, idempotencyKey });
}

function snapshotOf(read: ReadResult): RevocationSnapshot {
  if (read.kind !== "resync") throw new Error("expected a snapshot");
  return read.snapshot;
}

function openCases(under: Under): void {
  it("gives nothing before it is opened", async () => {
    const { log } = under();
    for (const call of [() => log.head(), () => log.read(undefined, 1), () => append(log, principal("p"))]) {
      await expect(call()).rejects.toMatchObject({ name: "LogError", code: "NOT_OPEN" });
    }
  });

  it("begins above every earlier generation, and voids stored sessions of an earlier log only", async () => {
    const { log } = under();
    const { head, outcome } = await log.open(ZERO_REVISION);
    expect(outcome).toBe("created");
    expect(head.generation).toBeGreaterThan(0);
    expect(head.number).toBe(0);
    const index = new RevocationIndex((size) => new Uint8Array(size));
    index.merge(snapshotOf(await log.read(undefined, 10)));
    const who = { realm: "default", principalId: "p", roles: [] };
    expect(index.isRevoked({ ...who, session: { id: "s", born: { generation: 1, number: 99 } } })).toBe(true);
    expect(index.isRevoked({ ...who, session: { id: "s", born: head } })).toBe(false);
    expect(index.isRevoked({ ...who, session: { id: "s", startedAtMs: 1_000_000 } })).toBe(false);
    expect(index.isRevoked(who)).toBe(false);
  });

  it("stays as it is when it is opened again by who knows no more", async () => {
    const { log } = under();
    await log.open(ZERO_REVISION);
    const head = await append(log, principal("p"));
    expect(await log.open(ZERO_REVISION)).toEqual({ head, outcome: "unchanged" });
    expect(await log.open(head)).toEqual({ head, outcome: "unchanged" });
  });

  it("is void when somebody knows a later revision", async () => {
    const { log } = under();
    const first = await log.open(ZERO_REVISION);
    await append(log, principal("p"));
    const { head, outcome } = await log.open({ generation: first.head.generation, number: 2 });
    expect(outcome).toBe("void");
    expect(head.generation).toBeGreaterThan(first.head.generation);
    const index = new RevocationIndex((size) => new Uint8Array(size));
    index.merge(snapshotOf(await log.read(undefined, 10)));
    const session = { id: "s", born: { ...first.head, number: 2 } };
    expect(index.isRevoked({ realm: "any", principalId: "q", roles: [], session })).toBe(true);
    expect(index.isRevoked({ realm: "default", principalId: "p", roles: [] })).toBe(true);
  });

  it("is void when the first to open it has seen an earlier log, or a later one has", async () => {
    const { log } = under();
    const seen = { generation: 5, number: 7 };
    expect((await log.open(seen)).outcome).toBe("void");
    expect((await log.open(seen)).outcome).toBe("unchanged");
  });

  it("is void when who opened it knew less of the past than somebody who comes later", async () => {
    const { log } = under();
    expect((await log.open(ZERO_REVISION)).outcome).toBe("created");
    await expect(log.read({ generation: 5, number: 7 }, 10)).rejects.toMatchObject({ code: "OTHER_INCARNATION" });
    expect((await log.open({ generation: 5, number: 7 })).outcome).toBe("void");
  });
}

function appendCases(under: Under): void {
  it("numbers without gaps, 100 at once included", async () => {
    const { log } = under();
    const { head } = await log.open(ZERO_REVISION);
    const revisions = await Promise.all(Array.from({ length: 100 }, (_, i) => append(log, principal(`p${i}`))));
    expect(new Set(revisions.map((one) => one.generation))).toEqual(new Set([head.generation]));
    expect(revisions.map((one) => one.number).sort((a, b) => a - b)).toEqual(
      Array.from({ length: 100 }, (_, i) => i + 1),
    );
    expect((await log.head()).head).toEqual({ ...head, number: 100 });
  });

  it("gives a retry with the same key the first revision, and writes nothing", async () => {
    const { log } = under();
    await log.open(ZERO_REVISION);
    const [first, ...others] = await Promise.all(Array.from({ length: 20 }, () => append(log, principal("p"), "key")));
    for (const other of others) expect(other).toEqual(first);
    expect((await log.head()).head.number).toBe(1);
  });

  it("takes the same key for another target or realm as another call: what was asked is always revoked", async () => {
    const { log } = under();
    await log.open(ZERO_REVISION);
    await append(log, principal("p"), "key");
    expect((await append(log, principal("q"), "key")).number).toBe(2);
    expect((await append(log, principal("p"), "key", "other")).number).toBe(3);
    expect((await append(log, principal("p"), "")).number).toBe(4);
    expect((await append(log, principal("p"), "")).number).toBe(5);
  });
}

function readCases(under: Under): void {
  it("gives every record after a revision, in order, in pages", async () => {
    const { log } = under();
    const { head } = await log.open(ZERO_REVISION);
    const scopes: InvalidationScope[] = [
      principal("p", 'a reason: "quoted" \n ä€𝄞'),
      { target: { kind: "role", id: "__proto__" }, reason: "", evaluator: "admin" },
      { target: { kind: "session", principalId: "", id: "s" }, reason: "r", evaluator: "drift" },
      { target: { kind: "realm" }, reason: "r", evaluator: "admin" },
    ];
    for (const scope of scopes) await append(log, scope, "", "constructor");
    const first = await log.read(head, 3);
    if (first.kind !== "records") throw new Error("expected records");
    expect(first.records.map((record) => record.scope)).toEqual(scopes.slice(0, 3));
    expect(first.records.map((record) => record.revision.number)).toEqual([1, 2, 3]);
    expect(first.records.every((record) => record.realm === "constructor" && record.recordedAtMs > 0)).toBe(true);
    expect(first.head.number).toBe(4);
    const second = await log.read(first.records.at(-1)?.revision, 3);
    expect(second).toMatchObject({ kind: "records", records: [{ scope: scopes[3] }] });
    expect(await log.read(first.head, 3)).toEqual({ kind: "records", records: [], head: first.head });
  });

  it("gives a snapshot to who has nothing, is of another generation, or is behind the history", async () => {
    const { log, historyMax } = under();
    const { head } = await log.open(ZERO_REVISION);
    const count = 2 * historyMax + 5;
    for (let i = 0; i < count; i++) await append(log, principal(`p${i % 7}`));
    await append(log, { target: { kind: "realm" }, reason: "", evaluator: "" }, "", "__proto__");
    const now = { generation: head.generation, number: count + 1 };
    const snapshot = snapshotOf(await log.read(undefined, 10));
    expect(snapshot.head).toEqual(now);
    expect(snapshot.marks).toHaveLength(7);
    expect(snapshot.floors.map((floor) => floor.realm).sort()).toEqual(["", "__proto__"]);
    expect(snapshot.floors.find((floor) => floor.realm === "__proto__")?.revision).toEqual(now);
    expect((await log.read(ZERO_REVISION, 10)).kind).toBe("resync");
    expect((await log.read({ ...now, number: now.number - historyMax - 1 }, 10)).kind).toBe("resync");
    const kept = await log.read({ ...now, number: now.number - historyMax }, 10_000);
    expect(kept.kind === "records" && kept.records.length).toBe(historyMax);
  });

  it("is an error for who knows more than its head", async () => {
    const { log } = under();
    const { head } = await log.open(ZERO_REVISION);
    await expect(log.read({ ...head, number: 1 }, 10)).rejects.toMatchObject({ code: "OTHER_INCARNATION" });
    await expect(log.read({ generation: head.generation + 1, number: 0 }, 10)).rejects.toMatchObject({
      code: "OTHER_INCARNATION",
    });
  });
}

function bellCases(under: Under): void {
  it("rings after an append, until it is stopped", async () => {
    const { log } = under();
    await log.open(ZERO_REVISION);
    const ring = vi.fn();
    const other = vi.fn();
    const stop = log.watch(ring);
    log.watch(other);
    await vi.waitFor(async () => {
      await append(log, principal("p"));
      expect(ring).toHaveBeenCalled();
    });
    stop();
    const before = ring.mock.calls.length;
    const heard = other.mock.calls.length;
    await vi.waitFor(async () => {
      await append(log, principal("p"));
      expect(other.mock.calls.length).toBeGreaterThan(heard);
    });
    expect(ring).toHaveBeenCalledTimes(before);
  });
}
