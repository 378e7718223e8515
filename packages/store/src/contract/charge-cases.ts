/** Retries: an evaluation is charged once, answered alike, and its id is good for one request only. */
import { expect, it } from "vitest";
import { admit, limit, request } from "./requests.ts";
import type { Under } from "./store-contract.ts";

export function chargeCases(under: Under): void {
  it("answers a retry like the first call, with the times of the first call, and charges nothing", async () => {
    const { store } = under();
    const first = request([limit(2, 3_600_000)]);
    const told = await admit(store, first);
    expect(told.memory).toEqual({ issuedAtMs: 1000, expiresAtMs: 31_000 });
    const again = await admit(store, { ...first, memory: { issuedAtMs: 5000, expiresAtMs: 35_000 } });
    expect(again).toEqual({ ...told, nowMs: again.nowMs });
    expect((await admit(store, request([limit(2, 3_600_000)]))).candidate).toBe(0);
    expect((await admit(store, request([limit(2, 3_600_000)]))).candidate).toBeUndefined();
  });

  it("does not lose the place of a retry when the limit is full by then", async () => {
    const { store } = under();
    const first = request([limit(1, 3_600_000)]);
    await admit(store, first);
    expect((await admit(store, first)).candidate).toBe(0);
  });

  it("refuses the id for another request, and charges nothing for it", async () => {
    const { store } = under();
    const first = request([limit(2, 3_600_000)]);
    await admit(store, first);
    const other = { ...first, requestDigest: new Uint8Array(32).fill(8) };
    expect(await store.admit(other)).toEqual({ kind: "conflict" });
    expect((await admit(store, first)).candidate).toBe(0);
    expect((await admit(store, request([limit(2, 3_600_000)]))).candidate).toBe(0);
  });

  it("repeats a refusal of a counted attempt without counting it again", async () => {
    const { store } = under();
    const ask = () => request([limit(2, 3_600_000, "attempts")], { countAttempt: true });
    await admit(store, ask());
    await admit(store, ask());
    const over = ask();
    const told = await admit(store, over);
    expect(told.candidate).toBeUndefined();
    expect(await admit(store, over)).toMatchObject({ exceeded: told.exceeded, memory: told.memory });
  });

  it("knows nothing of a call that wrote nothing", async () => {
    const { store } = under();
    const first = request([]);
    await admit(store, first);
    expect((await admit(store, { ...first, requestDigest: new Uint8Array(32) })).candidate).toBe(0);
  });

  it("forgets a charge after `rememberMs`, but not what it counted", async () => {
    const { store, windowMs, pass } = under();
    const first = request([limit(2, windowMs * 100)], { rememberMs: windowMs });
    await admit(store, first);
    await pass(windowMs);
    expect((await admit(store, first)).candidate).toBe(0);
    expect((await admit(store, request([limit(2, windowMs * 100)]))).candidate).toBeUndefined();
  });

  it("keeps the ids of two principals apart", async () => {
    const { store } = under();
    const first = request([limit(2, 3_600_000)]);
    await admit(store, first);
    const other = { ...first, principalId: "bob", requestDigest: new Uint8Array(32) };
    expect((await admit(store, other)).candidate).toBe(0);
  });
}
