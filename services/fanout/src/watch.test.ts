import type { Revision, RevocationRecord } from "@kavach/model";
import type { ReadResult, RevocationLog } from "@kavach/store";
import { SYSTEM_CLOCK } from "@kavach/system";
import { describe, expect, test } from "vitest";
import { LogOpener } from "./log-opener.ts";
import { LogTail } from "./log-tail.ts";
import { RecordQueue } from "./record-queue.ts";
import { type WatchEvent, watch } from "./watch.ts";

const GENERATION = 3;
const at = (number: number): Revision => ({ generation: GENERATION, number });
const record = (number: number): RevocationRecord => ({
  revision: at(number),
  realm: "default",
  recordedAtMs: 0,
  scope: { target: { kind: "role", id: `r${number}` }, reason: "", evaluator: "" },
});

/** A log whose readings are given by a function of where the reader stands. */
function partsOver(head: () => number, read: (from: Revision | undefined) => ReadResult) {
  const bell = { ring: () => {} };
  const log = {
    open: async () => ({ head: at(head()), outcome: "unchanged" as const }),
    head: async () => ({ head: at(head()), storeTimeMs: 0 }),
    read: async (from: Revision | undefined) => read(from),
    watch: (ring: () => void) => {
      bell.ring = ring;
      return () => {};
    },
  } as Partial<RevocationLog> as RevocationLog;
  const opener = new LogOpener(log, () => {});
  const tail = new LogTail({ log, opener, clock: SYSTEM_CLOCK, onReading: () => {} });
  return { log, opener, tail, bell, clock: SYSTEM_CLOCK, heartbeatMs: 50, queueMax: 100 };
}

async function eventsUntil(
  parts: ReturnType<typeof partsOver>,
  from: Revision | undefined,
  done: (events: readonly WatchEvent[]) => boolean,
): Promise<WatchEvent[]> {
  const abort = new AbortController();
  const events: WatchEvent[] = [];
  for await (const event of watch(parts, { realm: "", from, signal: abort.signal })) {
    events.push(event);
    if (done(events)) break;
  }
  return events;
}

const firstEvents = (parts: ReturnType<typeof partsOver>, from: Revision | undefined, count: number) =>
  eventsUntil(parts, from, ({ length }) => length === count);

const resyncAt = (number: number): ReadResult => ({
  kind: "resync",
  snapshot: { head: at(number), floors: [], marks: [] },
});

describe("watch", () => {
  test("a large state comes in parts, and only the last says that it is whole", async () => {
    const marks = Array.from({ length: 2500 }, (_, i) => record(i + 1));
    const floors = [{ realm: "", revision: at(0), recordedAtMs: 0 }];
    const parts = partsOver(
      () => 2500,
      (from) =>
        from === undefined
          ? { kind: "resync", snapshot: { head: at(2500), floors, marks } }
          : { kind: "records", records: [], head: at(2500) },
    );
    const events = await firstEvents(parts, undefined, 4);
    const snapshots = events.flatMap((event) => (event.kind === "resync" ? [event.snapshot] : []));
    expect(snapshots.map(({ head }) => head.number)).toEqual([0, 0, 2500]);
    expect(snapshots.flatMap((snapshot) => snapshot.marks)).toEqual(marks);
    expect(snapshots.flatMap((snapshot) => snapshot.floors)).toEqual(floors);
    expect(events[3]).toEqual({ kind: "heartbeat", head: at(2500) });
  });

  test("a hole in what the log gives becomes a resync, not a hole in the stream", async () => {
    const parts = partsOver(
      () => 9,
      (from) => {
        if (from === undefined) return resyncAt(9);
        if (from.number === 5) return { kind: "records", records: [record(6), record(8), record(9)], head: at(9) };
        return { kind: "records", records: [], head: at(9) };
      },
    );
    expect(await firstEvents(parts, at(5), 2)).toEqual([
      { kind: "resync", snapshot: { head: at(9), floors: [], marks: [] } },
      { kind: "heartbeat", head: at(9) },
    ]);
  });

  test("a log that gives less than it gave before ends the watch", async () => {
    const parts = partsOver(
      () => 9,
      (from) => ({ kind: "records", records: [], head: at(from?.number ?? 9) }),
    );
    await expect(firstEvents(parts, at(5), 1)).rejects.toMatchObject({ code: "LOG_UNAVAILABLE" });
  });

  test("records that come while a watcher changes from the log to the tail come once", async () => {
    let head = 6;
    const parts = partsOver(
      () => head,
      (from) => {
        const records: RevocationRecord[] = [];
        for (let n = (from?.number ?? 0) + 1; n <= head; n++) records.push(record(n));
        // The log grows with every reading, so that the tail is always a step behind the watcher.
        if (head < 40) setImmediate(() => parts.bell.ring());
        head = Math.min(head + 1, 40);
        return { kind: "records", records, head: records.at(-1)?.revision ?? at(head) };
      },
    );
    parts.tail.start();
    const numbersIn = (events: readonly WatchEvent[]) =>
      events.flatMap((event) => (event.kind === "record" ? [event.record.revision.number] : []));
    const events = await eventsUntil(parts, at(5), (seen) => numbersIn(seen).at(-1) === 40);
    await parts.tail.stop();
    expect(numbersIn(events)).toEqual(Array.from({ length: 35 }, (_, i) => 6 + i));
  });
});

describe("LogTail", () => {
  test("a head that the log does not deliver resets its listeners", async () => {
    let head = 5;
    const { tail } = partsOver(
      () => head,
      () => ({ kind: "records", records: [], head: at(head) }),
    );
    await tail.catchUp();
    const queue = new RecordQueue(10);
    tail.listen(queue);
    await tail.catchUp();
    expect(queue.state).toBe("open");
    head = 7;
    await tail.catchUp();
    expect(queue.state).toBe("reset");
    expect(tail.position).toEqual(at(7));
  });

  test("a question that comes during a reading gets one that began later", async () => {
    let readings = 0;
    const { tail } = partsOver(
      () => 0,
      () => {
        readings += 1;
        return { kind: "records", records: [], head: at(0) };
      },
    );
    await Promise.all([tail.catchUp(), tail.catchUp(), tail.catchUp()]);
    expect(readings).toBe(2);
  });
});

describe("RecordQueue", () => {
  test("holds no more than its bound, and says so", () => {
    const queue = new RecordQueue(2);
    queue.onRecords([record(1), record(2)]);
    expect(queue.state).toBe("open");
    queue.onRecords([record(3)]);
    expect(queue.state).toBe("overflowed");
    queue.onReset();
    expect(queue.state).toBe("overflowed");
    expect(queue.take()).toEqual([]);
  });
});
