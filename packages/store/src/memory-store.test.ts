/** The memory twin keeps the contract, and its memory follows what is alive. */
import { storeContract } from "./contract/index.ts";
import { MemoryStore } from "./memory-store.ts";

storeContract("MemoryStore", async () => {
  let nowMs = 1_700_000_000_000.25;
  return {
    store: new MemoryStore({ nowMs: () => nowMs, monotonicMs: () => nowMs }),
    windowMs: 3_600_000,
    pass: async (ms) => {
      nowMs += ms;
    },
    stepBack: (ms) => {
      nowMs -= ms;
    },
    dispose: async () => undefined,
  };
});
