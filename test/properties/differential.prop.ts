/** The engine against the judge: the same sets, options and calls, the same answers, whatever the set was written in. */
import { inspect, isDeepStrictEqual } from "node:util";
import { loadPolicySet, type PolicySource } from "@kavach/engine";
import fc from "fast-check";
import { stringify } from "smol-toml";
import { expect, test } from "vitest";
import { ReferenceGate } from "../reference/reference-gate.ts";
import type { ReferenceAnswer, ReferenceOptions } from "../reference/source.ts";
import { type Call, call, named, options, pauseMs, policies, START_MS } from "./drawn.ts";
import { EngineGate } from "./engine-gate.ts";
import { seeded } from "./seeded.ts";

/** Few different calls, each made often, so that limits fill. */
const DIFFERENT = 4;
const CALLS = 12;
const noDigest = (bytes: Uint8Array) => bytes.slice(0, 32);

/** What was answered how often: a run that never meets a rule would say nothing about it. */
const tally = new Map<string, number>();

function count({ kind, code, evaluator }: ReferenceAnswer): void {
  const key = [kind, code, evaluator].filter((part) => part !== undefined).join(" ");
  tally.set(key, (tally.get(key) ?? 0) + 1);
}

/** Far cheaper than a matcher, and there are many to compare. */
function compare(answer: ReferenceAnswer, expected: ReferenceAnswer): void {
  if (!isDeepStrictEqual(answer, expected)) throw new Error(`${inspect(answer)} instead of ${inspect(expected)}`);
}

const world = fc.record({
  drawn: policies,
  given: options,
  calls: fc.array(call, { minLength: DIFFERENT, maxLength: DIFFERENT }),
  pauses: fc.array(pauseMs, { minLength: CALLS, maxLength: CALLS }),
  startMs: fc.constantFrom(...START_MS),
});

type Hinder = (given: ReferenceOptions) => ReferenceOptions;

/** `hinder` changes what the engine is told, so that the comparison can be seen to fail. */
function differential(hinder: Hinder = (given) => given) {
  return fc.asyncProperty(world, async ({ drawn, given, calls, pauses, startMs }) => {
    const value = { policies: named(drawn) };
    const judge = new ReferenceGate(value, given);
    const sources: readonly PolicySource[] = [
      { format: "object", value },
      { format: "json", text: JSON.stringify(value) },
      { format: "toml", text: stringify(value) },
    ];
    const gates = sources.map((source) => new EngineGate(loadPolicySet(source, noDigest), hinder(given)));
    let nowMs = startMs;
    for (const [i, pause] of pauses.entries()) {
      nowMs += pause;
      const context = (calls[i % DIFFERENT] as Call)(nowMs);
      const expected = judge.evaluate(context, nowMs);
      count(expected);
      for (const gate of gates) compare(await gate.evaluate(context, nowMs), expected);
    }
  });
}

test("every spelling of a set answers every call as the judge does", { timeout: 3_600_000 }, async () => {
  await fc.assert(differential(), seeded("differential", CALLS));
  console.log([...tally].map(([answer, times]) => `${times} ${answer}`).join(", "));
});

test.each<readonly [string, Hinder]>([
  ["drift", (given) => ({ ...given, enableDrift: false })],
  ["invariants", ({ invariants: _, ...given }) => given],
])("an engine without %s is found out", async (_what, hinder) => {
  expect((await fc.check(differential(hinder), { numRuns: 5_000 })).failed).toBe(true);
});

test.each([
  "permit",
  "refuse NO_POLICY_MATCH policy",
  "refuse POLICY_DENIED policy",
  "refuse RATE_LIMIT_EXCEEDED policy",
  "refuse DRIFT_DETECTED drift",
  "refuse INVARIANT_VIOLATION invariants",
  "invalidate drift",
])("the drawn calls met: %s", (answer) => {
  expect(tally.get(answer) ?? 0).toBeGreaterThan(0);
});
