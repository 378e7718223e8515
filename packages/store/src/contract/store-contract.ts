/** What every Store does, told as tests. An adapter calls `storeContract` with a way to make a fresh one. */
import { afterEach, beforeEach, describe } from "vitest";
import type { Store } from "../store.ts";
import { chargeCases } from "./charge-cases.ts";
import { limitCases } from "./limit-cases.ts";
import { redeemCases } from "./redeem-cases.ts";
import { sessionCases } from "./session-cases.ts";

/** One fresh, empty store. */
export interface StoreUnderTest {
  readonly store: Store;
  /** A window that the suite can wait out: hours on a clock that is moved by hand, a fraction of a second on a real one. */
  readonly windowMs: number;
  /** Returns once the store's clock stands `ms` later. */
  readonly pass: (ms: number) => Promise<void>;
  /** Moves the store's clock back, where the suite has it in its hands. */
  readonly stepBack?: (ms: number) => void;
  readonly dispose: () => Promise<void>;
}

/** The store of the running test. */
export type Under = () => StoreUnderTest;

export function storeContract(name: string, makeStore: () => Promise<StoreUnderTest>): void {
  describe(name, () => {
    let current: StoreUnderTest;
    const under: Under = () => current;
    beforeEach(async () => {
      current = await makeStore();
    });
    afterEach(async () => {
      await current.dispose();
    });
    describe("rate limits", () => limitCases(under));
    describe("charges and retries", () => chargeCases(under));
    describe("sessions", () => sessionCases(under));
    describe("redemption", () => redeemCases(under));
  });
}
