import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { openReport } from "./warnings.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const full = (n: number) => Object.assign(new Error(`full ${n}`), { code: "SINK_FULL" });

it("says the first at once, and the rest of a flood in one line a second, until it is over", () => {
  const warn = vi.fn();
  const report = openReport({ warn });
  for (let n = 1; n <= 1000; n++) report(full(n), "audit write failed");
  expect(warn.mock.calls).toEqual([[{ err: full(1) }, "audit write failed"]]);
  vi.advanceTimersByTime(1000);
  expect(warn).toHaveBeenLastCalledWith({ err: full(1000), times: 999 }, "audit write failed");
  report(full(1001), "audit write failed");
  expect(warn).toHaveBeenCalledTimes(2);
  vi.advanceTimersByTime(1000);
  expect(warn).toHaveBeenLastCalledWith({ err: full(1001), times: 1 }, "audit write failed");
  vi.advanceTimersByTime(1000);
  expect(vi.getTimerCount()).toBe(0);
  report(full(1002), "audit write failed");
  expect(warn).toHaveBeenLastCalledWith({ err: full(1002) }, "audit write failed");
  expect(warn).toHaveBeenCalledTimes(4);
});

it("keeps apart what is not the same", () => {
  const warn = vi.fn();
  const report = openReport({ warn });
  report(full(1), "audit write failed");
  report(new Error("no code"), "audit write failed");
  report(full(1), "decision failed");
  report("text", "decision failed");
  report(undefined, "decision failed");
  expect(warn).toHaveBeenCalledTimes(4);
});
