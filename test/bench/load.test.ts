import { expect, test } from "vitest";
import { durationsMs, quantile, readSummary } from "./load.ts";

const SUMMARY = `
finished in 3.01s, 28587.67 req/s, 5.08MB/s
requests: 85763 total, 85827 started, 85763 done, 85763 succeeded, 0 failed, 0 errored, 0 timeout
status codes: 85763 2xx, 0 3xx, 0 4xx, 0 5xx
traffic: 15.25MB (15987280) total, 336.68KB (344765) headers (space savings 95.77%), 12.98MB (13607485) data
`;

test("h2load's summary is read", () => {
  expect(readSummary(SUMMARY)).toEqual({ total: 85_763, succeeded: 85_763, lost: 0, bytes: 13_607_485 });
});

test("failed and errored calls count as lost", () => {
  const summary = SUMMARY.replace("0 failed, 0 errored", "3 failed, 4 errored");
  expect(readSummary(summary).lost).toBe(7);
});

test("a summary of another form is not guessed at", () => {
  expect(() => readSummary("requests: many")).toThrow("not understood");
});

test("quantiles come from the log of single calls, whatever its order", () => {
  const log = Array.from({ length: 200 }, (_, i) => `1795526915944320\t200\t${(200 - i) * 1000}\n`).join("");
  const durations = durationsMs(log);
  expect(quantile(durations, 0.5)).toBe(101);
  expect(quantile(durations, 0.99)).toBe(199);
});
