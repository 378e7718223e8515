import { type Revision, ZERO_REVISION } from "@kavach/model";
import type { Head, RevocationLog } from "@kavach/store";
import { describe, expect, test } from "vitest";
import { FreshHead } from "./fresh-head.ts";
import { LogOpener } from "./log-opener.ts";

/** Every reading waits until the test answers it. */
function heldLog() {
  const readings: PromiseWithResolvers<Head>[] = [];
  const log = {
    head() {
      const reading = Promise.withResolvers<Head>();
      readings.push(reading);
      return reading.promise;
    },
    open: async (known: Revision) => ({
      head: { ...known, generation: known.generation + 1 },
      outcome: "void" as const,
    }),
  } as Partial<RevocationLog> as RevocationLog;
  const heads = new FreshHead(log, new LogOpener(log, () => {}));
  const answer = (i: number, number: number, generation = 1) => {
    readings[i]?.resolve({ head: { generation, number }, storeTimeMs: 0 });
  };
  return { readings, heads, answer };
}

describe("FreshHead", () => {
  test("a question shares only a reading that began after it came", async () => {
    const { readings, heads, answer } = heldLog();
    const first = heads.ask(undefined);
    const late = [heads.ask(undefined), heads.ask(undefined), heads.ask(undefined)];
    expect(readings).toHaveLength(1);
    answer(0, 1);
    expect((await first).head.number).toBe(1);
    await Promise.resolve();
    expect(readings).toHaveLength(2);
    answer(1, 2);
    expect((await Promise.all(late)).map(({ head }) => head.number)).toEqual([2, 2, 2]);
    expect(readings).toHaveLength(2);
  });

  test("a reading that fails does not fail those who wait for the next", async () => {
    const { readings, heads, answer } = heldLog();
    const first = heads.ask(undefined);
    const second = heads.ask(undefined);
    readings[0]?.reject(new Error("away"));
    await expect(first).rejects.toThrow("away");
    answer(1, 3);
    expect((await second).head.number).toBe(3);
  });

  test("a head before what the asker has applied is never the answer", async () => {
    const { heads, answer, readings } = heldLog();
    const asked = heads.ask({ generation: 1, number: 9 });
    answer(0, 5);
    await expect.poll(() => readings.length).toBe(2);
    answer(1, 0, 2);
    expect((await asked).head).toEqual({ generation: 2, number: 0 });
    const stubborn = heads.ask({ generation: 7, number: 0 });
    answer(2, 0, 2);
    await expect.poll(() => readings.length).toBe(4);
    answer(3, 0, 2);
    await expect(stubborn).rejects.toMatchObject({ code: "LOG_UNAVAILABLE" });
    expect(ZERO_REVISION.number).toBe(0);
  });
});
