/** Invalidations told from gate to gate and to listeners, and gates whose log other processes share. */
import { type InvalidationScope, UnavailableError } from "@kavach/model";
import { type InvalidationBroadcaster, MemoryRevocationLog, type RevocationLog } from "@kavach/store";
import { SYSTEM_CLOCK } from "@kavach/system";
import { describe, expect, it, vi } from "vitest";
import { InMemoryInvalidationBroadcaster } from "./broadcaster.ts";
import { eventually, HandClock, MOVED, POLICIES, report, said } from "./gate.test-kit.ts";
import { Gate } from "./gate.ts";
import { spawnInvalidationListener } from "./invalidation-listener.ts";
import { LeasedView } from "./leased-view.ts";

const stolen: InvalidationScope = { target: { kind: "principal", id: "alice" }, reason: "stolen", evaluator: "admin" };
const REVOKED = "SESSION_INVALID gate: session has been invalidated";

describe("one broadcaster, many gates", () => {
  it("what one gate invalidates, every gate honours, also one that is made later", async () => {
    const broadcaster = new InMemoryInvalidationBroadcaster();
    const [one, two] = [
      Gate.fromObject(POLICIES, { broadcaster }),
      Gate.fromObject(POLICIES, { broadcaster }),
    ] as const;
    const back = report({ sessionId: "s-1", ip: "10.0.0.1", originIp: "10.0.0.1" });
    expect(said(await two.evaluate(back))).toBe("permit");
    expect(said(await one.evaluate(MOVED))).toMatch(/^invalidate drift/);
    expect(said(await two.evaluate(back))).toBe(REVOKED);
    expect(said(await Gate.fromObject(POLICIES, { broadcaster }).evaluate(back))).toBe(REVOKED);
    // Without a shared broadcaster nothing is told.
    expect(said(await Gate.fromObject(POLICIES).evaluate(back))).toBe("permit");
  });

  it("publish revokes in the realm it names, the default one where it names none", async () => {
    const broadcaster = new InMemoryInvalidationBroadcaster();
    const ours = Gate.fromObject(POLICIES, { broadcaster });
    const acme = Gate.fromObject(POLICIES, { broadcaster, realm: "acme" });
    await broadcaster.publish(stolen);
    expect([said(await ours.evaluate(report())), said(await acme.evaluate(report()))]).toEqual([REVOKED, "permit"]);
    await broadcaster.publish(stolen, { realm: "acme" });
    expect(said(await acme.evaluate(report()))).toBe(REVOKED);
  });

  it("a failed publish does not soften the verdict: the gate itself honours it", async () => {
    const log = new MemoryRevocationLog(SYSTEM_CLOCK);
    const broken: RevocationLog = Object.assign(Object.create(log), {
      open: log.open.bind(log),
      read: log.read.bind(log),
      head: log.head.bind(log),
      watch: log.watch.bind(log),
      append: () => Promise.reject(new UnavailableError("LOG_UNAVAILABLE", "away")),
    });
    const broadcaster: InvalidationBroadcaster = {
      log: broken,
      local: true,
      publish: () => Promise.reject(new Error()),
    };
    const onError = vi.fn();
    await using gate = Gate.fromObject(POLICIES, { broadcaster, onError });
    const verdict = await gate.evaluate(MOVED);
    expect(verdict).toMatchObject({ kind: "invalidate", propagation: "LOCAL_ONLY" });
    expect(onError).toHaveBeenCalled();
    expect(said(await gate.evaluate(report({ sessionId: "s-1" })))).toBe(REVOKED);
  });
});

describe("listeners", () => {
  it("are told of every invalidation from then on, in order, with target, reason, evaluator and realm", async () => {
    const broadcaster = new InMemoryInvalidationBroadcaster();
    await broadcaster.publish({ ...stolen, reason: "before" });
    const told: unknown[] = [];
    using _handle = spawnInvalidationListener(broadcaster, (scope, realm) => told.push([scope, realm]));
    const published = broadcaster.publish(stolen);
    const gate = Gate.fromObject(POLICIES, { broadcaster, realm: "acme" });
    await published;
    await gate.evaluate(MOVED);
    await eventually(() => told).toHaveLength(2);
    const drifted = {
      target: { kind: "session", principalId: "alice", id: "s-1" },
      reason: "IP changed mid-session: 10.0.0.1 → 10.0.0.2",
      evaluator: "drift",
    };
    expect(told).toEqual([
      [stolen, "default"],
      [drifted, "acme"],
    ]);
  });

  it("miss nothing of a burst", async () => {
    const broadcaster = new InMemoryInvalidationBroadcaster();
    const told: string[] = [];
    using _handle = spawnInvalidationListener(broadcaster, ({ reason }) => told.push(reason));
    const reasons = Array.from({ length: 2500 }, (_, n) => String(n));
    await Promise.all(reasons.map(async (reason) => await broadcaster.publish({ ...stolen, reason })));
    await eventually(() => told.length).toBe(2500);
    expect(told).toEqual(reasons);
  });

  it.each<[string, () => unknown]>([
    [
      "throws",
      () => {
        throw new Error("listener");
      },
    ],
    ["rejects", () => Promise.reject(new Error("listener"))],
  ])("one that %s is reported and stays alive", async (_name, fail) => {
    const broadcaster = new InMemoryInvalidationBroadcaster();
    const onError = vi.fn();
    let calls = 0;
    using _handle = spawnInvalidationListener(
      broadcaster,
      () => {
        calls++;
        return fail();
      },
      { onError },
    );
    for (const expected of [1, 2]) {
      await broadcaster.publish(stolen);
      await eventually(() => calls).toBe(expected);
    }
    await eventually(() => onError.mock.calls.length).toBe(2);
    expect(onError).toHaveBeenCalledWith(
      expect.objectContaining({ message: "listener" }),
      "an invalidation listener failed",
    );
  });

  it("reports to stderr where nobody else is told", async () => {
    const printed = vi.spyOn(console, "error").mockImplementation(() => undefined);
    const broadcaster = new InMemoryInvalidationBroadcaster();
    using _handle = spawnInvalidationListener(broadcaster, () => {
      throw new Error("listener");
    });
    await broadcaster.publish(stolen);
    await eventually(() => printed.mock.calls.length).toBe(1);
    printed.mockRestore();
  });

  it("are told nothing after abort or dispose", async () => {
    const broadcaster = new InMemoryInvalidationBroadcaster();
    const told: string[] = [];
    const aborted = spawnInvalidationListener(broadcaster, () => told.push("aborted"));
    {
      using _disposed = spawnInvalidationListener(broadcaster, () => told.push("disposed"));
    }
    aborted.abort();
    aborted.abort();
    using _alive = spawnInvalidationListener(broadcaster, () => told.push("alive"));
    await broadcaster.publish(stolen);
    await eventually(() => told).toEqual(["alive"]);
  });
});

describe("a log that other processes share", () => {
  function shared() {
    const clock = new HandClock();
    const log = new MemoryRevocationLog(clock);
    let away = false;
    const answer = async <T>(call: () => Promise<T>): Promise<T> => {
      if (away) throw new UnavailableError("LOG_UNAVAILABLE", "away");
      return await call();
    };
    const remote: RevocationLog = {
      open: (known) => answer(() => log.open(known)),
      append: (request) => answer(() => log.append(request)),
      head: () => answer(() => log.head()),
      read: (from, limit) => answer(() => log.read(from, limit)),
      watch: () => () => undefined,
      close: async () => undefined,
    };
    const reports: unknown[] = [];
    const view = new LeasedView({ log: remote, clock, leaseMs: 5000, report: (error) => reports.push(error) });
    return {
      clock,
      log,
      remote,
      reports,
      view,
      goAway: (gone: boolean) => {
        away = gone;
      },
    };
  }
  const subject = { realm: "default", principalId: "alice", roles: [] };

  it("is fresh for a lease after it answered, stale before it ever did and once it has been away too long", async () => {
    const { clock, view, reports, goAway } = shared();
    goAway(true);
    await view.start();
    expect(view.staleForMs()).toBe(Number.POSITIVE_INFINITY);
    expect(reports).toHaveLength(1);
    goAway(false);
    await view.freshHead();
    expect(view.staleForMs()).toBeUndefined();
    clock.ms += 4900;
    expect(view.staleForMs()).toBeUndefined();
    clock.ms += 100;
    expect(view.staleForMs()).toBe(5000);
    goAway(true);
    await expect(view.freshHead()).rejects.toBeInstanceOf(UnavailableError);
    expect(view.staleForMs()).toBe(5000);
    view.close();
    expect(view.staleForMs()).toBe(Number.POSITIVE_INFINITY);
  });

  it("learns what others append, many records too, and knows when a revision cannot be reached", async () => {
    const { log, view } = shared();
    await view.start();
    for (let n = 0; n < 2100; n++) {
      await log.append({
        realm: "default",
        scope: { ...stolen, target: { kind: "principal", id: `p-${n}` } },
        idempotencyKey: "",
      });
    }
    const revision = await log.append({ realm: "default", scope: stolen, idempotencyKey: "" });
    expect(view.isRevoked(subject)).toBe(false);
    expect(await view.reach(revision)).toBe(true);
    expect(view.isRevoked(subject)).toBe(true);
    expect(await view.reach({ ...revision, number: revision.number + 1 })).toBe(false);
    view.close();
  });

  it("a gate on it refuses as stale until the log answers", async () => {
    const { remote, goAway } = shared();
    goAway(true);
    const broadcaster = { log: remote, local: false, publish: () => Promise.reject(new Error("unused")) };
    await using gate = Gate.fromObject(POLICIES, { broadcaster, onError: () => undefined });
    expect(said(await gate.evaluate(report()))).toBe("SESSION_INVALID freshness: revocation state is not known yet");
    goAway(false);
    await eventually(async () => said(await gate.evaluate(report()))).toBe("permit");
  });
});
