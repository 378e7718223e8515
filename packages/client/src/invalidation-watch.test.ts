import { create, type MessageInitShape } from "@bufbuild/protobuf";
import type { ServerWritableStream } from "@grpc/grpc-js";
import { InvalidationService, type WatchInvalidationsRequest, WatchInvalidationsResponseSchema } from "@kavach/api";
import type { Revision, RevocationRecord, RevocationSnapshot } from "@kavach/model";
import { afterEach, describe, expect, test, vi } from "vitest";
import { FanoutClient } from "./fanout-client.ts";
import { InvalidationWatch, type InvalidationWatchOptions, type WatchListener } from "./invalidation-watch.ts";
import { serveScripted } from "./scripted-service.test-kit.ts";

type Event = MessageInitShape<typeof WatchInvalidationsResponseSchema>["event"];
type Stream = ServerWritableStream<WatchInvalidationsRequest, unknown>;

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

const revision = (number: number, generation = 1) => ({ generation: BigInt(generation), number: BigInt(number) });
const resync = (number: number, generation = 1): Event => ({
  case: "resync",
  value: { head: revision(number, generation) },
});
const heartbeat = (number: number): Event => ({ case: "heartbeat", value: { head: revision(number) } });
const record = (number: number, generation = 1): Event => ({
  case: "record",
  value: {
    revision: revision(number, generation),
    realm: "default",
    recordedAt: { seconds: 1n },
    scope: { target: { case: "role", value: `r${number}` } },
  },
});

/** Serves one script per connection, the last again and again; streams stay open unless a script ends them. */
async function watchOver(scripts: readonly (readonly Event[])[], options: Partial<InvalidationWatchOptions> = {}) {
  const asked: (number | undefined)[] = [];
  const service = await serveScripted(InvalidationService, {
    watchInvalidations(stream: Stream) {
      const { from } = stream.request;
      asked.push(from === undefined ? undefined : Number(from.number));
      const script = scripts[Math.min(asked.length, scripts.length) - 1] ?? [];
      for (const event of script)
        stream.write(create(WatchInvalidationsResponseSchema, event === undefined ? {} : { event }));
    },
    getHead: () => {},
    invalidate: () => {},
  });
  const seen: string[] = [];
  const breaks: string[] = [];
  const listener: WatchListener = {
    onSnapshot: (snapshot: RevocationSnapshot) => seen.push(`snapshot ${snapshot.head.number}`),
    onRecord: (r: RevocationRecord) => seen.push(`record ${r.revision.number}`),
    onHeartbeat: (head: Revision) => seen.push(`heartbeat ${head.number}`),
    onBreak: (error: unknown) => breaks.push(String(error)),
  };
  const client = new FanoutClient({ endpoints: service.endpoint });
  const watch = new InvalidationWatch({ client, listener, ...options });
  cleanups.push(
    () => service.close(),
    () => client.close(),
    () => watch.stop(),
  );
  return { asked, seen, breaks, watch };
}

describe("InvalidationWatch", () => {
  test("delivers in order, passes over what was applied, and stops", async () => {
    const { seen, watch, asked } = await watchOver([[resync(5), record(5), record(6), record(7), heartbeat(7)]]);
    await vi.waitFor(() => expect(seen).toEqual(["snapshot 5", "record 6", "record 7", "heartbeat 7"]));
    expect(watch.connected).toBe(true);
    expect(watch.position).toEqual({ generation: 1, number: 7 });
    await watch.stop();
    expect(watch.connected).toBe(false);
    expect(asked).toEqual([undefined]);
  });

  test.each<[string, Event[], string, number | undefined]>([
    ["a missing number", [resync(5), record(6), record(8)], "number 8 came after 6", 6],
    ["a head that was not delivered", [resync(5), heartbeat(6)], "the head is 6, applied is 5", 5],
    [
      "another generation without a snapshot",
      [resync(5), record(6, 2)],
      "the generation changed without a snapshot",
      5,
    ],
    ["a record before the first snapshot", [record(1)], "a record came before the first snapshot", undefined],
    ["a heartbeat before the first snapshot", [heartbeat(1)], "a heartbeat came before the first snapshot", undefined],
  ])("%s breaks the stream, and it resumes where it was", async (_, script, message, from) => {
    const { seen, breaks, asked } = await watchOver([script, [resync(9)]]);
    await vi.waitFor(() => expect(seen.at(-1)).toBe("snapshot 9"));
    expect(breaks).toEqual([`RpcError: the watch has a gap: ${message}`]);
    expect(asked).toEqual([undefined, from]);
  });

  test("half a record is a broken stream, not half a revocation", async () => {
    const half: Event = { case: "record", value: { revision: revision(6), realm: "default", recordedAt: {} } };
    const { seen, breaks } = await watchOver([[resync(5), half], [resync(9)]]);
    await vi.waitFor(() => expect(seen).toEqual(["snapshot 5", "snapshot 9"]));
    expect(breaks[0]).toContain("breaks the contract");
  });

  test("a part of a snapshot is not mistaken for the whole", async () => {
    const { watch, seen } = await watchOver([[{ case: "resync", value: { head: {} } }, resync(5)]]);
    await vi.waitFor(() => expect(seen).toEqual(["snapshot 0", "snapshot 5"]));
    expect(watch.position).toEqual({ generation: 1, number: 5 });
  });

  test("one realm's numbers have gaps, and its heartbeats move the place", async () => {
    const { seen, watch, breaks } = await watchOver([[resync(5), record(8), heartbeat(11)]], { realm: "acme" });
    await vi.waitFor(() => expect(seen).toEqual(["snapshot 5", "record 8", "heartbeat 11"]));
    expect(watch.position).toEqual({ generation: 1, number: 11 });
    expect(breaks).toEqual([]);
  });

  test("a silent stream is broken", async () => {
    const { breaks, asked } = await watchOver([[resync(5)], [resync(5)]], { silenceMs: 100 });
    await vi.waitFor(() => expect(asked).toEqual([undefined, 5]));
    expect(breaks).toEqual(["RpcError: the watch was silent for 100 ms"]);
  });

  test("what the listener could not apply comes again", async () => {
    const applied: number[] = [];
    let failures = 0;
    const listener: WatchListener = {
      onSnapshot: () => {},
      onRecord: ({ revision: { number } }) => {
        if (number === 6 && failures++ === 0) throw new Error("disk full");
        applied.push(number);
      },
    };
    const { asked } = await watchOver(
      [
        [resync(5), record(6)],
        [record(6), record(7)],
      ],
      { listener },
    );
    await vi.waitFor(() => expect(applied).toEqual([6, 7]));
    expect(asked).toEqual([undefined, 5]);
  });

  test("resumes from what its owner has applied", async () => {
    let applied = 3;
    const listener: WatchListener = {
      onSnapshot: () => {},
      // The owner has read on by itself meanwhile.
      onRecord: () => {
        applied = 9;
      },
    };
    const from = () => ({ generation: 1, number: applied });
    const { asked } = await watchOver([[record(4), record(6)], [heartbeat(9)]], { from, listener });
    await vi.waitFor(() => expect(asked).toEqual([3, 9]));
  });
});
