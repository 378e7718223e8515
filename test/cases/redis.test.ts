/** Every decision case that needs no set clock, on the conductor with its counters on a Redis server. */
import { RedisStore } from "@kavach/store-redis";
import { SYSTEM_CLOCK } from "@kavach/system";
import { type RedisServer, startRedis } from "@kavach/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { expectAnswer } from "./answers.ts";
import { readCaseFiles } from "./case-files.ts";
import { askConductor } from "./conductor-door.ts";

const cases = readCaseFiles()
  .flatMap((file) => file.cases)
  .filter(({ doors }) => doors.includes("redis"));

let redis: RedisServer;
let store: RedisStore;

beforeAll(async () => {
  redis = await startRedis({ args: ["--maxmemory-policy", "noeviction"] });
  // A machine that runs other suites at the same time may take its time; the deadlines are other tests' business.
  store = await RedisStore.fromUrl(redis.url, { commandTimeoutMs: 2000 });
});

afterAll(async () => {
  await store?.close();
  await redis?.stop();
});

test("there are cases to run", () => {
  expect(cases.length).toBeGreaterThan(250);
});

test.each(cases.map((one, number) => [one.id, one, number] as const))("%s", async (_id, one, number) => {
  // A realm for each case: they share the server, and nothing else.
  const shared = { store, clock: SYSTEM_CLOCK, realmOf: (realm: string) => `${realm} of case ${number}` };
  const answer = await askConductor(one, shared);
  expectAnswer(one, answer, { spell: (field) => field, stillClock: false });
});
