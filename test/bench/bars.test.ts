import { expect, test } from "vitest";
import { barsOf } from "./bars.ts";
import type { ContestantName } from "./contestants.ts";
import type { Figures } from "./rounds.ts";

const EASY = { p50Ms: 1, p99Ms: 8 };

function results(rates: Partial<Record<ContestantName, number>>, peakMemoryBytes: number | undefined = 150e6) {
  const figures = new Map<ContestantName, Figures>();
  for (const [name, callsPerSecond] of Object.entries(rates)) {
    const rest = { p50Ms: 2, p99Ms: 20, cpuUsPerCall: undefined, peakMemoryBytes };
    figures.set(name as ContestantName, { callsPerSecond, ...rest });
  }
  return { figures, easy: EASY, easyBare: EASY };
}

const RATES = { bareUnsigned: 40_000, grpcJs: 20_000, unsigned: 30_000, bareSigned: 36_000, signed: 18_000 };

function missed(found: ReturnType<typeof results>): string[] {
  return barsOf(found).flatMap(({ name, met }) => (met ? [] : [name]));
}

test("a run that reaches every bar exactly meets them all", () => {
  expect(missed(results(RATES))).toEqual([]);
});

test.for([
  ["unsigned / bare node:http2", results({ ...RATES, bareUnsigned: 40_001 })],
  ["unsigned / grpc-js, same work", results({ ...RATES, grpcJs: 27_300 })],
  ["signed / unsigned", results({ ...RATES, signed: 17_999 })],
  ["signed at 70 % of peak, p50", { ...results(RATES), easy: { ...EASY, p50Ms: 2.1 } }],
  ["signed at 70 % of peak, p99", { ...results(RATES), easy: { ...EASY, p99Ms: 10.1 } }],
  ["memory of gate-node under load", results(RATES, 201e6)],
] as const)("missing the bar of '%s' shows", ([name, found]) => {
  expect(missed(found)).toEqual([name]);
});

test("what was not measured is not met", () => {
  const { bareUnsigned: _, ...rest } = RATES;
  expect(missed(results(rest))).toEqual(["unsigned / bare node:http2"]);
});
