/** A permit is redeemed once, before its expiry by the store's clock. */
import { expect, it } from "vitest";
import { admit, freshId, request } from "./requests.ts";
import type { Under } from "./store-contract.ts";

export function redeemCases(under: Under): void {
  const inMs = async (ms: number) => (await admit(under().store, request([]))).nowMs + ms;

  it("takes a token id once, of 200 at once", async () => {
    const { store } = under();
    const token = { realm: "default", principalId: "alice", tokenId: freshId(), expiresAtMs: await inMs(60_000) };
    const results = await Promise.all(Array.from({ length: 200 }, () => store.redeem(token)));
    expect(results.filter((result) => result === "redeemed")).toHaveLength(1);
    expect(results.filter((result) => result === "already_redeemed")).toHaveLength(199);
  });

  it("takes none at or after its expiry, without any skew", async () => {
    const { store, windowMs, pass } = under();
    const token = { realm: "default", principalId: "alice", tokenId: freshId(), expiresAtMs: await inMs(windowMs) };
    await pass(windowMs);
    expect(await store.redeem(token)).toBe("expired");
    expect(await store.redeem({ ...token, expiresAtMs: 0 })).toBe("expired");
    expect(await store.redeem({ ...token, expiresAtMs: Number.NaN })).toBe("expired");
  });

  it("remembers past the expiry, so that a clock that steps back lets nothing through twice", async () => {
    const { store, windowMs, pass, stepBack } = under();
    const expiresAtMs = await inMs(windowMs);
    const token = { realm: "default", principalId: "alice", tokenId: freshId(), expiresAtMs };
    expect(await store.redeem(token)).toBe("redeemed");
    await pass(windowMs);
    expect(await store.redeem(token)).toBe("expired");
    stepBack?.(1000);
    expect(await store.redeem(token)).toBe(stepBack === undefined ? "expired" : "already_redeemed");
  });

  it("keeps realms and principals apart", async () => {
    const { store } = under();
    const token = { realm: "default", principalId: "alice", tokenId: freshId(), expiresAtMs: await inMs(60_000) };
    expect(await store.redeem(token)).toBe("redeemed");
    expect(await store.redeem({ ...token, realm: "other" })).toBe("redeemed");
    expect(await store.redeem({ ...token, principalId: "bob" })).toBe("redeemed");
  });
}
