import { InvalidationService } from "@kavach/api";
import { FanoutClient, grpcServiceOf, InvalidationWatch, openChannel, RpcError, type WatchEvent } from "@kavach/client";
import { InputError, type InvalidationScope, type Revision, UnavailableError } from "@kavach/model";
import { SYSTEM_CLOCK, SYSTEM_RANDOM } from "@kavach/system";
import { afterEach, describe, expect, test, vi } from "vitest";
import { type FanoutOptions, type RunningFanout, startFanout } from "./fanout.ts";
import { ScriptedLog } from "./scripted-log.test-kit.ts";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

interface Fanout extends RunningFanout {
  readonly client: FanoutClient;
  readonly endpoint: string;
}

async function fanout(log: ScriptedLog, options: Partial<FanoutOptions> = {}): Promise<Fanout> {
  const running = await startFanout({
    log,
    clock: SYSTEM_CLOCK,
    listen: { host: "127.0.0.1", port: 0 },
    heartbeatMs: 100,
    leaseMs: 300,
    events: { onOpened: () => {}, onReading: () => {}, onInternalError: (error) => expect.unreachable(String(error)) },
    ...options,
  });
  const endpoint = `127.0.0.1:${running.main.port}`;
  const client = new FanoutClient({ endpoints: endpoint });
  cleanups.push(
    () => running.stop(0),
    () => client.close(),
  );
  return { ...running, client, endpoint };
}

const role = (id: string): InvalidationScope => ({ target: { kind: "role", id }, reason: "test", evaluator: "test" });

/** Events until `done` says so, heartbeats left out. */
async function collect(
  { client }: Fanout,
  question: { realm?: string; from?: Revision },
  done: (events: readonly WatchEvent[]) => boolean,
): Promise<WatchEvent[]> {
  const events: WatchEvent[] = [];
  const abort = new AbortController();
  for await (const event of client.watch(question, abort.signal)) {
    if (event.kind !== "heartbeat") events.push(event);
    if (done(events)) break;
  }
  abort.abort();
  return events;
}

const numbers = (events: readonly WatchEvent[]) =>
  events.map((event) => (event.kind === "record" ? event.record.revision.number : event.kind));

async function failureOf(run: Promise<unknown>): Promise<unknown> {
  return run.then(
    (value) => expect.unreachable(`resolved with ${JSON.stringify(value)}`),
    (error: unknown) => error,
  );
}

describe("watching", () => {
  test("what is written through one replica reaches a watcher of another in order, across a restart of that one", async () => {
    const log = new ScriptedLog(SYSTEM_CLOCK);
    const a = await fanout(log);
    const b = await fanout(log);
    const seen: number[] = [];
    let snapshots = 0;
    const listener = {
      onSnapshot: () => snapshots++,
      onRecord: ({ revision }: { revision: Revision }) => seen.push(revision.number),
    };
    const watch = new InvalidationWatch({ client: b.client, listener });
    cleanups.push(() => watch.stop());
    for (let i = 1; i <= 50; i++) await a.client.invalidate({ scope: role(`r${i}`) });
    await vi.waitFor(() => expect(watch.connected).toBe(true));
    await b.stop(1000);
    for (let i = 51; i <= 100; i++) await a.client.invalidate({ scope: role(`r${i}`) });
    await fanout(log, { listen: { host: "127.0.0.1", port: b.main.port } });
    for (let i = 101; i <= 150; i++) await a.client.invalidate({ scope: role(`r${i}`) });
    await vi.waitFor(() => expect(seen.at(-1)).toBe(150), { timeout: 10_000 });
    expect(snapshots).toBe(1);
    const first = seen[0] ?? 0;
    expect(seen).toEqual(Array.from({ length: 151 - first }, (_, i) => first + i));
  });

  test("resumes after the given revision; else begins with the state", async () => {
    const log = new ScriptedLog(SYSTEM_CLOCK, 10);
    const a = await fanout(log);
    const revisions: Revision[] = [];
    for (let i = 1; i <= 30; i++) revisions.push(await a.client.invalidate({ scope: role(`r${i}`) }));
    const [first, last] = [revisions[0] as Revision, revisions[29] as Revision];
    const two = (events: readonly WatchEvent[]) => events.length === 2;
    const one = (events: readonly WatchEvent[]) => events.length === 1;
    expect(numbers(await collect(a, { from: revisions[27] as Revision }, two))).toEqual([29, 30]);
    for (const from of [undefined, first, { ...last, generation: 1 }, { ...last, number: 31 }]) {
      const [event] = await collect(a, { realm: "default", ...(from !== undefined && { from }) }, one);
      expect(event).toMatchObject({ kind: "resync", snapshot: { head: last } });
      expect(event?.kind === "resync" && event.snapshot.marks).toHaveLength(30);
    }
  });

  test("a watcher of one realm sees only that realm, in the state too", async () => {
    const a = await fanout(new ScriptedLog(SYSTEM_CLOCK));
    await a.client.invalidate({ realm: "acme", scope: role("old") });
    await a.client.invalidate({ realm: "other", scope: role("old") });
    const events = collect(a, { realm: "acme" }, (seen) => seen.length === 2);
    await vi.waitFor(async () => {
      await a.client.invalidate({ realm: "other", scope: role("new"), idempotencyKey: "k" });
      await a.client.invalidate({ realm: "acme", scope: role("new"), idempotencyKey: "k" });
    });
    const realms = (await events).flatMap((event) =>
      event.kind === "resync" ? event.snapshot.marks : event.kind === "record" ? [event.record] : [],
    );
    expect(new Set(realms.map(({ realm }) => realm))).toEqual(new Set(["acme"]));
  });

  test("a lost bell costs time, not a record", async () => {
    const log = new ScriptedLog(SYSTEM_CLOCK);
    log.bell = false;
    const [a, b] = [await fanout(log), await fanout(log)];
    const events = collect(b, {}, (seen) => seen.length === 2);
    await vi.waitFor(async () =>
      expect((await a.client.invalidate({ scope: role("x"), idempotencyKey: "k" })).number).toBe(1),
    );
    expect((await events)[0]?.kind).toBe("resync");
  });

  test("a drained fan-out ends its watches with an error that says to come back", async () => {
    const a = await fanout(new ScriptedLog(SYSTEM_CLOCK));
    const watching = failureOf(collect(a, {}, () => false));
    await vi.waitFor(() => a.client.head());
    const stopped = a.stop(5000);
    expect(await watching).toMatchObject({ name: "UnavailableError", code: "LOG_UNAVAILABLE" });
    await stopped;
  });
});

describe("slow watchers", () => {
  const RECORDS = 1000;

  /** Opens a watch, reads nothing until everything is written, then reads to the end. */
  async function slowWatch(queueMax: number): Promise<{ seen: number[]; error: unknown }> {
    const a = await fanout(new ScriptedLog(SYSTEM_CLOCK), { queueMax });
    const channel = openChannel({ endpoints: a.endpoint, clock: SYSTEM_CLOCK });
    cleanups.push(() => channel.close());
    const stream = grpcServiceOf(InvalidationService, channel).watchInvalidations({});
    const events = stream[Symbol.asyncIterator]();
    await events.next();
    for (let i = 1; i <= RECORDS; i++) {
      // Not compressible, so that what is written is what is sent.
      const reason = Buffer.from(SYSTEM_RANDOM(750)).toString("base64");
      await a.client.invalidate({ scope: { ...role(`r${i}`), reason } });
    }
    const seen: number[] = [];
    try {
      while (seen.at(-1) !== RECORDS) {
        const { value, done } = await events.next();
        if (done === true) break;
        if (value.event.case === "record") seen.push(Number(value.event.value.revision?.number));
      }
      stream.cancel();
      return { seen, error: undefined };
    } catch (error) {
      return { seen, error };
    }
  }

  const upTo = (last: number) => Array.from({ length: last }, (_, i) => i + 1);

  test("are cut off with a resumable error, and nothing before it is missing", async () => {
    const { seen, error } = await slowWatch(100);
    expect(error).toBeInstanceOf(RpcError);
    expect(error).toMatchObject({ code: "RESOURCE_EXHAUSTED" });
    expect(seen.length).toBeLessThan(RECORDS);
    expect(seen).toEqual(upTo(seen.length));
  });

  test("without the bound none is cut off", async () => {
    const { seen, error } = await slowWatch(Number.POSITIVE_INFINITY);
    expect(error).toBeUndefined();
    expect(seen).toEqual(upTo(RECORDS));
  });
});

describe("invalidating", () => {
  test("a retry with the same key is one record, at whichever replica", async () => {
    const log = new ScriptedLog(SYSTEM_CLOCK);
    const [a, b] = [await fanout(log), await fanout(log)];
    const first = await a.client.invalidate({ scope: role("x"), idempotencyKey: "k" });
    expect(await b.client.invalidate({ scope: role("x"), idempotencyKey: "k" })).toEqual(first);
    expect(await b.client.invalidate({ scope: role("x") })).toEqual({ ...first, number: first.number + 1 });
    expect((await a.client.head()).head.number).toBe(first.number + 1);
  });

  test("an empty realm is the default realm", async () => {
    const a = await fanout(new ScriptedLog(SYSTEM_CLOCK));
    await a.client.invalidate({ scope: role("x") });
    const [event] = await collect(a, {}, (seen) => seen.length === 1);
    expect(event?.kind === "resync" && event.snapshot.marks[0]?.realm).toBe("default");
  });

  test("wait all returns one lease later, wait none at once", async () => {
    const a = await fanout(new ScriptedLog(SYSTEM_CLOCK), { leaseMs: 600 });
    const timed = async (wait: "none" | "all") => {
      const beganAt = performance.now();
      await a.client.invalidate({ scope: role("x"), wait }, { deadlineMs: 5000 });
      return performance.now() - beganAt;
    };
    expect(await timed("all")).toBeGreaterThanOrEqual(599);
    expect(await timed("none")).toBeLessThan(600);
  });

  test.each<[string, Parameters<FanoutClient["invalidate"]>[0], string]>([
    ["a name that is empty", { scope: role("") }, "scope"],
    ["a realm with a control character", { realm: "a\u0001", scope: role("x") }, "realm"],
    ["a name that is too long", { scope: role("x".repeat(257)) }, "scope.role"],
    ["a key that is too long", { scope: role("x"), idempotencyKey: "k".repeat(257) }, "idempotency_key"],
  ])("%s is an input error and writes nothing", async (_, input, field) => {
    const a = await fanout(new ScriptedLog(SYSTEM_CLOCK));
    const error = await failureOf(a.client.invalidate(input));
    expect(error).toBeInstanceOf(InputError);
    expect((error as InputError).violations[0]?.field).toContain(field);
    expect((await a.client.head()).head.number).toBe(0);
  });
});

describe("a log that is away", () => {
  test("is UNAVAILABLE at once, ends watches, and is used again when it is back", async () => {
    const log = new ScriptedLog(SYSTEM_CLOCK);
    const readings: unknown[] = [];
    const events = {
      onOpened: () => {},
      onReading: (error: unknown) => readings.push(error),
      onInternalError: () => {},
    };
    const a = await fanout(log, { events });
    const seen: number[] = [];
    const breaks: unknown[] = [];
    const watch = new InvalidationWatch({
      client: a.client,
      listener: {
        onSnapshot: () => {},
        onRecord: ({ revision }) => seen.push(revision.number),
        onBreak: (error) => breaks.push(error),
      },
    });
    cleanups.push(() => watch.stop());
    await vi.waitFor(() => expect(watch.connected).toBe(true));
    log.away = true;
    const beganAt = performance.now();
    for (const call of [a.client.head(), a.client.invalidate({ scope: role("x") }), collect(a, {}, () => false)]) {
      expect(await failureOf(call)).toBeInstanceOf(UnavailableError);
    }
    expect(performance.now() - beganAt).toBeLessThan(1000);
    await vi.waitFor(() => expect(breaks.length).toBeGreaterThan(0), { timeout: 10_000 });
    log.away = false;
    await vi.waitFor(() => a.client.invalidate({ scope: role("x"), idempotencyKey: "k" }));
    await vi.waitFor(() => expect(seen).toEqual([1]), { timeout: 10_000 });
    await vi.waitFor(() => expect(readings.at(-1)).toBeUndefined());
    expect(readings.filter((error) => error !== undefined)).toHaveLength(1);
  });

  test("at the start is an error of the start", async () => {
    const log = new ScriptedLog(SYSTEM_CLOCK);
    log.away = true;
    expect(await failureOf(fanout(log))).toBeInstanceOf(UnavailableError);
  });
});

describe("a log that lost its data", () => {
  test("is opened under a later generation, and everything from before it is void", async () => {
    const log = new ScriptedLog(SYSTEM_CLOCK);
    const opened: string[] = [];
    const events = {
      onOpened: (outcome: string) => opened.push(outcome),
      onReading: () => {},
      onInternalError: () => {},
    };
    const a = await fanout(log, { events });
    const before = await a.client.invalidate({ scope: role("x") });
    const watching = collect(a, { from: before }, (seen) => seen.length === 1);
    await vi.waitFor(() => a.client.head());
    log.loseEverything();
    const [event] = await watching;
    const { head } = await a.client.head();
    expect(head.generation).toBeGreaterThan(before.generation);
    expect(event).toMatchObject({ kind: "resync", snapshot: { head, floors: [{ realm: "", revision: head }] } });
    expect(opened).toEqual(["created", "void"]);
  });

  test("by the word of a node that saw an earlier generation, too", async () => {
    const log = new ScriptedLog(SYSTEM_CLOCK);
    const first = await fanout(log);
    const { head: old } = await first.client.head();
    const lost = { ...old, generation: old.generation - 1, number: 7 };
    const opened: string[] = [];
    const events = {
      onOpened: (outcome: string) => opened.push(outcome),
      onReading: () => {},
      onInternalError: () => {},
    };
    const a = await fanout(log, { events });
    const one = (seen: readonly WatchEvent[]) => seen.length === 1;
    await collect(a, { realm: "default", from: lost }, one);
    expect((await a.client.head()).head).toEqual(old);
    const asked = await a.client.head({ applied: lost, watcherId: "node-1" });
    expect(asked.head.generation).toBeGreaterThan(old.generation);
    const [event] = await collect(a, { from: lost }, one);
    expect(event).toMatchObject({ kind: "resync", snapshot: { head: asked.head } });
    const [again] = await collect(a, { from: { ...asked.head, number: 3 } }, one);
    expect(again?.kind === "resync" && again.snapshot.head.generation).toBeGreaterThan(asked.head.generation);
    expect(opened).toEqual(["void", "void"]);
  });

  test("is believed to have lost it by the word of a node, not of anybody", async () => {
    const a = await fanout(new ScriptedLog(SYSTEM_CLOCK));
    const { head } = await a.client.head();
    const later = { ...head, number: head.number + 5 };
    expect((await a.client.head({ applied: later })).head).toEqual(head);
    const answer = await a.client.head({ applied: later, watcherId: "node-1" });
    expect(answer.head.generation).toBeGreaterThan(head.generation);
    const absurd = { generation: Number.MAX_SAFE_INTEGER, number: 0 };
    expect(await failureOf(a.client.head({ applied: absurd, watcherId: "node-1" }))).toBeInstanceOf(InputError);
    expect((await a.client.head()).head).toEqual(answer.head);
  });
});
