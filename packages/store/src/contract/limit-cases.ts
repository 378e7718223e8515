/** Rate limits: exact, atomic, sliding, shared by policies, apart between principals. */
import { describe, expect, it } from "vitest";
import { admit, admitMany, limit, request } from "./requests.ts";
import type { Under } from "./store-contract.ts";

export function limitCases(under: Under): void {
  describe("counting", () => countingCases(under));
  describe("racing", () => raceCases(under));
  describe("sliding", () => slidingCases(under));
  describe("walking through candidates", () => walkCases(under));
  describe("large limits", () => largeCases(under));
  describe("attempts", () => attemptCases(under));
}

function countingCases(under: Under): void {
  it("lets exactly `max` through, and says when there is a place again", async () => {
    const { store, windowMs } = under();
    expect(await admitMany(store, 3, () => request([limit(3, windowMs)]))).toBe(3);
    const refused = await admit(store, request([limit(3, windowMs)]));
    expect(refused.candidate).toBeUndefined();
    expect(refused.exceeded).toHaveLength(1);
    expect(refused.exceeded[0]?.candidate).toBe(0);
    expect(refused.exceeded[0]?.retryAfterMs).toBeGreaterThan(0);
    expect(refused.exceeded[0]?.retryAfterMs).toBeLessThanOrEqual(windowMs);
  });

  it("needs no counter where no candidate has a limit", async () => {
    const { store } = under();
    const result = await admit(store, request([]));
    expect(result).toMatchObject({ candidate: 0, exceeded: [] });
    expect(result.memory).toBeUndefined();
  });

  it("keeps principals, actions and realms apart, however their names are spelt", async () => {
    const { store } = under();
    const names = [
      { realm: "r", principalId: "a:b", actionName: "c" },
      { realm: "r", principalId: "a", actionName: "b:c" },
      { realm: "r:a", principalId: "b", actionName: "c" },
      { realm: "r", principalId: "a}", actionName: "{b:c" },
      { realm: "", principalId: "ra", actionName: "b:c" },
      { realm: "r", principalId: "__proto__", actionName: "constructor" },
      { realm: "r", principalId: "ä€𝄞", actionName: "c" },
    ];
    for (const name of names) {
      expect(await admitMany(store, 2, () => request([limit(1, 3_600_000)], name)), JSON.stringify(name)).toBe(1);
    }
  });
}

function raceCases(under: Under): void {
  it("gives the last places to exactly as many as there are, of 200 at once", async () => {
    const { store } = under();
    const calls = Array.from({ length: 200 }, () => admit(store, request([limit(20, 3_600_000)])));
    const through = (await Promise.all(calls)).filter((result) => result.candidate !== undefined);
    expect(through).toHaveLength(20);
  });

  it("does so for a large limit, too", async () => {
    const { store } = under();
    await admitMany(store, 120, () => request([limit(150, 3_600_000)]));
    const calls = Array.from({ length: 200 }, () => admit(store, request([limit(150, 3_600_000)])));
    const through = (await Promise.all(calls)).filter((result) => result.candidate !== undefined);
    expect(through).toHaveLength(30);
  });

  it("charges 200 retries of one evaluation once", async () => {
    const { store } = under();
    const same = request([limit(1, 3_600_000)]);
    const results = await Promise.all(Array.from({ length: 200 }, () => admit(store, same)));
    expect(results.every((result) => result.candidate === 0)).toBe(true);
    expect((await admit(store, request([limit(1, 3_600_000)]))).candidate).toBeUndefined();
  });
}

function slidingCases(under: Under): void {
  it("frees a place when its entry leaves the window, not earlier", async () => {
    const { store, windowMs, pass } = under();
    const ask = () => request([limit(2, windowMs)]);
    await admit(store, ask());
    await pass(windowMs / 2);
    await admit(store, ask());
    const full = await admit(store, ask());
    expect(full.candidate).toBeUndefined();
    await pass(full.exceeded[0]?.retryAfterMs ?? 0);
    expect((await admit(store, ask())).candidate).toBe(0);
    expect((await admit(store, ask())).candidate).toBeUndefined();
  });

  it("keeps what a longer window needs, though the calls between ask for a shorter one", async () => {
    const { store, windowMs, pass } = under();
    const both = () => request([limit(50, windowMs / 10), limit(3, windowMs * 20)]);
    await admitMany(store, 3, both);
    await pass(windowMs / 5);
    expect((await admit(store, request([limit(50, windowMs / 10)]))).candidate).toBe(0);
    await pass(windowMs / 5);
    expect((await admit(store, both())).candidate).toBeUndefined();
  });

  it("does not open a window again when the clock steps back", async () => {
    const { store, windowMs, stepBack, pass } = under();
    if (stepBack === undefined) return expect((await admit(store, request([]))).candidate).toBe(0);
    const ask = () => request([limit(1, windowMs)]);
    await admit(store, ask());
    stepBack(10 * windowMs);
    const full = await admit(store, ask());
    expect(full.candidate).toBeUndefined();
    expect(full.exceeded[0]?.retryAfterMs).toBe(11 * windowMs);
    await pass(11 * windowMs - 1);
    expect((await admit(store, ask())).candidate).toBeUndefined();
    await pass(1);
    expect((await admit(store, ask())).candidate).toBe(0);
  });
}

function walkCases(under: Under): void {
  it("counts one entry for all policies and windows of an action", async () => {
    const { store, windowMs } = under();
    await admitMany(store, 2, () => request([limit(2, windowMs)]));
    const other = await admit(store, request([limit(3, windowMs * 100)]));
    expect(other.candidate).toBe(0);
    expect((await admit(store, request([limit(3, windowMs * 100)]))).candidate).toBeUndefined();
  });

  it("takes the first candidate that holds, and tells of those before it that only a limit kept", async () => {
    const { store } = under();
    await admit(store, request([limit(1, 3_600_000)]));
    const result = await admit(
      store,
      request([], {
        candidates: [
          { effect: "permit", limits: [limit(1, 3_600_000)] },
          { effect: "permit", limits: [limit(5, 3_600_000), limit(1, 7_200_000)] },
          { effect: "permit", limits: [limit(5, 3_600_000)] },
          { effect: "permit", limits: [] },
        ],
      }),
    );
    expect(result.candidate).toBe(2);
    expect(result.exceeded.map((one) => one.candidate)).toEqual([0, 1]);
    expect(result.exceeded[1]?.retryAfterMs).toBeGreaterThan(7_100_000);
  });

  it("ends the walk at a refuse candidate and charges nothing", async () => {
    const { store } = under();
    const refused = await admit(
      store,
      request([], {
        candidates: [
          { effect: "refuse", limits: [] },
          { effect: "permit", limits: [limit(1, 3_600_000)] },
        ],
      }),
    );
    expect(refused.candidate).toBe(0);
    expect(refused.memory).toBeUndefined();
    expect((await admit(store, request([limit(1, 3_600_000)]))).candidate).toBe(0);
  });

  it("charges one entry for a candidate with several limits", async () => {
    const { store } = under();
    const ask = () => request([limit(2, 3_600_000), limit(2, 7_200_000)]);
    expect(await admitMany(store, 3, ask)).toBe(2);
  });
}

function largeCases(under: Under): void {
  it("never lets more than `max` through in a window, and frees all of it afterwards", async () => {
    const { store, windowMs, pass } = under();
    const wide = windowMs * 4;
    const ask = () => request([limit(130, wide)]);
    expect(await admitMany(store, 140, ask)).toBe(130);
    const full = await admit(store, ask());
    expect(full.exceeded[0]?.retryAfterMs).toBeLessThanOrEqual(wide + wide / 64 + 1);
    await pass(full.exceeded[0]?.retryAfterMs ?? 0);
    expect((await admit(store, ask())).candidate).toBe(0);
  });

  it("starts a new window with what a longer one and the entries know", async () => {
    const { store } = under();
    await admitMany(store, 140, () => request([limit(200, 7_200_000)]));
    expect(await admitMany(store, 10, () => request([limit(145, 3_600_000)]))).toBe(5);
    expect(await admitMany(store, 10, () => request([limit(147, 10_800_000)]))).toBe(2);
  });

  it("counts for a large limit that no call has met yet, where the policy set names its window", async () => {
    const { store } = under();
    const set = { countAttempt: true, retainMs: 3_600_000, largeWindowsMs: [3_600_000] };
    await admitMany(store, 140, () => request([], { ...set, candidates: [] }));
    const met = request([limit(140, 3_600_000, "attempts")], set);
    expect((await admit(store, met)).candidate).toBeUndefined();
  });

  it("is exact for a small limit beside a large one", async () => {
    const { store } = under();
    await admitMany(store, 5, () => request([limit(1000, 3_600_000)]));
    expect(await admitMany(store, 5, () => request([limit(7, 3_600_000)]))).toBe(2);
  });
}

function attemptCases(under: Under): void {
  it("counts every evaluation, whatever its verdict", async () => {
    const { store } = under();
    const refused = { candidates: [{ effect: "refuse", limits: [] } as const], countAttempt: true };
    await admitMany(store, 2, () => request([], refused));
    const ask = () => request([limit(3, 3_600_000, "attempts")], { countAttempt: true });
    expect((await admit(store, ask())).candidate).toBe(0);
    const full = await admit(store, ask());
    expect(full.candidate).toBeUndefined();
    expect(full.memory).toBeDefined();
  });

  it("starts the wait anew with every attempt over the limit", async () => {
    const { store, windowMs } = under();
    const ask = () => request([limit(1, windowMs * 10, "attempts")], { countAttempt: true });
    await admit(store, ask());
    expect((await admit(store, ask())).exceeded[0]?.retryAfterMs).toBe(windowMs * 10);
  });

  it("keeps attempts apart from admissions", async () => {
    const { store } = under();
    await admitMany(store, 3, () => request([], { candidates: [], countAttempt: true }));
    expect((await admit(store, request([limit(1, 3_600_000)]))).candidate).toBe(0);
    const attempts = request([limit(4, 3_600_000, "attempts")], { countAttempt: true });
    expect((await admit(store, attempts)).candidate).toBe(0);
  });
}
