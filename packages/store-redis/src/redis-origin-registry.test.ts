import { UnavailableError } from "@kavach/model";
import { type RedisServer, startRedis } from "@kavach/testkit";
import { afterAll, beforeAll, expect, it } from "vitest";
import { RedisOriginRegistry } from "./redis-origin-registry.ts";

let server: RedisServer;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(async () => {
  await server.stop();
});

it("keeps every origin with its newest checkpoint, for whoever connects, and never an older one", async () => {
  const [one, two] = [await RedisOriginRegistry.fromUrl(server.url), await RedisOriginRegistry.fromUrl(server.url)];
  expect(await two.list()).toEqual([]);
  const note = Uint8Array.of(0, 10, 255);
  await one.publish({ origin: "kavach/a/1", size: 9, note });
  await one.publish({ origin: "kavach/b/2", size: 0, note: new Uint8Array(5000).fill(7) });
  await two.publish({ origin: "kavach/a/1", size: 10, note: note.with(0, 1) });
  await one.publish({ origin: "kavach/a/1", size: 9, note });
  const listed = (await one.list()).toSorted((a, b) => (a.origin < b.origin ? -1 : 1));
  expect(listed).toEqual([
    { origin: "kavach/a/1", size: 10, note: note.with(0, 1) },
    { origin: "kavach/b/2", size: 0, note: new Uint8Array(5000).fill(7) },
  ]);
  for (let i = 0; i < 700; i++) await two.publish({ origin: `kavach/c/${i}`, size: i, note });
  expect(await one.list()).toHaveLength(702);
  await one.close();
  await expect(one.list()).rejects.toBeInstanceOf(UnavailableError);
  await two.close();
});
