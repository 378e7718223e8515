/** Every decision case that needs no set clock, asked of real gate-nodes over gRPC and over JSON. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openChannel } from "@kavach/client";
import { SYSTEM_CLOCK } from "@kavach/system";
import { type GateProcess, startGateProcess } from "@kavach/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { expectAnswer } from "./answers.ts";
import { readCaseFiles } from "./case-files.ts";
import { askWire, type WireDoor, type WireGate, wireField } from "./wire-door.ts";
import { type WireGroup, wireGroups } from "./wire-groups.ts";

const DOORS: readonly WireDoor[] = ["grpc", "json"];
const cases = readCaseFiles()
  .flatMap((file) => file.cases)
  .filter(({ doors }) => DOORS.some((door) => doors.includes(door)));

const folder = mkdtempSync(join(tmpdir(), "kavach-cases-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function startGate({ policiesToml, configToml }: WireGroup): Promise<GateProcess> {
  const policies = join(folder, "policies.toml");
  const config = join(folder, "gate-node.toml");
  writeFileSync(policies, policiesToml);
  writeFileSync(config, configToml);
  return startGateProcess({ args: ["--config", config, "--policies", policies, "--store", "memory"] });
}

test("there are cases to run", () => {
  expect(cases.length).toBeGreaterThan(250);
});

describe.each(wireGroups(cases).map((group) => [group.title, group] as const))("a gate with %s", (_title, group) => {
  let process: GateProcess;
  let gate: WireGate;

  beforeAll(async () => {
    process = await startGate(group);
    gate = {
      channel: openChannel({ endpoints: process.address, clock: SYSTEM_CLOCK }),
      url: `http://${process.address}`,
    };
  });

  afterAll(async () => {
    gate?.channel.close();
    await process?.[Symbol.asyncDispose]();
  });

  const runs = group.cases.flatMap((one) =>
    DOORS.filter((door) => one.of.doors.includes(door)).map((door) => [door, one.of.id, one] as const),
  );
  test.each(runs)("%s: %s", async (door, _id, one) => {
    const answer = await askWire(door, one, gate, SYSTEM_CLOCK.nowMs);
    expectAnswer(one.of, answer, { spell: wireField, stillClock: false });
  });
});
