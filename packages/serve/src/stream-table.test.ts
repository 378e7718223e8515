import { once } from "node:events";
import { connect, createServer, type Http2Session, type ServerHttp2Session } from "node:http2";
import type { AddressInfo } from "node:net";
import fc from "fast-check";
import { expect, it } from "vitest";
import { keepStreamsYoung, StreamTable } from "./stream-table.ts";

it("is a map, whatever is put in and taken out, also where numbers share a slot", () => {
  const number = fc.oneof(fc.integer({ min: 0, max: 40 }), fc.constantFrom(513, 514, 1025, 2 ** 31 - 1));
  const step = fc.record({ number, value: fc.option(fc.nat(), { nil: undefined }) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const [table, map] = [new StreamTable<number>(), new Map<number, number>()];
      for (const { number, value } of steps) {
        if (value === undefined) expect(table.delete(number)).toBe(map.delete(number));
        else {
          table.set(number, value);
          map.set(number, value);
        }
        expect(table.get(number)).toBe(map.get(number));
        expect(table.has(number)).toBe(map.has(number));
        expect(table.size).toBe(map.size);
      }
      const sorted = (entries: Iterable<[number, number]>) => [...entries].toSorted(([a], [b]) => a - b);
      expect(sorted(table)).toEqual(sorted(map));
      const visited: [number, number][] = [];
      // A stream that is closed by the visit is taken out meanwhile.
      table.forEach((value, key, of) => {
        visited.push([key, value]);
        of.delete(key);
      });
      expect(sorted(visited)).toEqual(sorted(map));
      expect([table.size, [...table.keys()], [...table.values()]]).toEqual([0, [], []]);
    }),
  );
});

it("forgets everything at once", () => {
  const table = new StreamTable<string>().set(1, "a").set(513, "b");
  expect([table.size, table.get(513)]).toEqual([2, "b"]);
  table.clear();
  expect([table.size, table.has(1), table.has(513)]).toEqual([0, false, false]);
});

it("takes the place of what this Node keeps, and the session goes on as before: answers, resets, an end with calls open", async () => {
  const server = createServer();
  const sessions: ServerHttp2Session[] = [];
  server.on("session", (session) => {
    expect(keepStreamsYoung(session)).toBe(true);
    // There is nothing left that it would take for Node's.
    sessions.push(session);
  });
  server.on("stream", (stream, headers) => {
    stream.on("error", () => {});
    if (headers[":path"] === "/open") stream.respond({ ":status": 200 });
    else stream.respond({ ":status": 204 }, { endStream: true });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const client = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const ask = async (path: string) => {
    const stream = client.request({ ":path": path });
    const [headers] = await once(stream, "response");
    return { stream, status: headers[":status"] as number };
  };
  for (let n = 0; n < 300; n++) {
    const { stream, status } = await ask("/");
    stream.resume();
    expect(status).toBe(204);
  }
  const reset = await ask("/open");
  reset.stream.close(8);
  const held = await ask("/open");
  const closed = once(held.stream, "close");
  sessions[0]?.destroy();
  await closed;
  expect(held.stream.destroyed).toBe(true);
  client.destroy();
  server.close();
  await once(server, "close");
});

it("leaves alone what it does not know", () => {
  const taken = { [Symbol("state")]: { streams: new Map([[1, {}]]) } };
  const strange = { [Symbol("state")]: { streams: { size: 0 } } };
  for (const session of [taken, strange, {}]) {
    const before = JSON.stringify(Object.getOwnPropertySymbols(session).map((one) => Reflect.get(session, one)));
    expect(keepStreamsYoung(session as unknown as Http2Session)).toBe(false);
    expect(JSON.stringify(Object.getOwnPropertySymbols(session).map((one) => Reflect.get(session, one)))).toBe(before);
  }
});
