/** The decision cases of gates without options, asked of a cluster: counters on Redis, revocations through a fan-out, every node alike. */
import { openChannel } from "@kavach/client";
import { SYSTEM_CLOCK } from "@kavach/system";
import { type Cluster, startCluster } from "@kavach/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { expectAnswer } from "./answers.ts";
import { readCaseFiles } from "./case-files.ts";
import { askWire, type WireDoor, type WireGate, wireField } from "./wire-door.ts";
import { wireGroups } from "./wire-groups.ts";

const DOORS: readonly WireDoor[] = ["grpc", "json"];
const cases = readCaseFiles()
  .flatMap((file) => file.cases)
  .filter(({ doors, options }) => Object.keys(options).length === 0 && DOORS.some((door) => doors.includes(door)));
const [group] = wireGroups(cases);

let cluster: Cluster;
let gates: readonly WireGate[] = [];

beforeAll(async () => {
  cluster = await startCluster({
    gateNodes: 2,
    fanouts: 1,
    policiesToml: group?.policiesToml ?? "",
    // A busy machine may take its time; the deadlines are other tests' business.
    gateArgs: ["--store-timeout-ms", "2000"],
  });
  gates = cluster.gates.map(({ address }) => ({
    channel: openChannel({ endpoints: address, clock: SYSTEM_CLOCK }),
    url: `http://${address}`,
  }));
}, 300_000);

afterAll(async () => {
  for (const { channel } of gates) channel.close();
  await cluster?.[Symbol.asyncDispose]();
}, 60_000);

const runs = (group?.cases ?? []).flatMap((one) =>
  DOORS.filter((door) => one.of.doors.includes(door)).map((door) => [door, one.of.id, one] as const),
);

test("there are cases to run", () => {
  expect(runs.length).toBeGreaterThan(400);
});

test.each(runs)("%s: %s", async (door, _id, one) => {
  // One node for all calls of a case: what one node answers is what is looked at here.
  const gate = gates[one.number % gates.length] as WireGate;
  const answer = await askWire(door, one, gate, SYSTEM_CLOCK.nowMs);
  expectAnswer(one.of, answer, { spell: wireField, stillClock: false });
});
