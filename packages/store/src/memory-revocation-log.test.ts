/** The memory twin keeps the contract. */
import { revocationLogContract } from "./contract/index.ts";
import { MemoryRevocationLog } from "./memory-revocation-log.ts";

revocationLogContract("MemoryRevocationLog", async () => {
  const log = new MemoryRevocationLog({ nowMs: () => 1_700_000_000_000, monotonicMs: () => 0 }, 20);
  return { log, historyMax: 20, dispose: async () => log.close() };
});
