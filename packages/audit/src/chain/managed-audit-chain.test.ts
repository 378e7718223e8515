import { mkdtemp, open, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KavachKeyPair } from "@kavach/crypto";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { AuditEntry } from "./entry.ts";
import { ManagedAuditChain } from "./managed-audit-chain.ts";
import { SignedAuditChain } from "./signed-audit-chain.ts";

const keyPair = KavachKeyPair.generate();
const bundle = keyPair.publicKeys();
const append = (chain: ManagedAuditChain, count: number) => {
  for (let i = 0; i < count; i++) chain.append(new AuditEntry("agent", "issue_refund", "permit", `${i}`));
};

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "kavach-chain-"));
  path = join(folder, "chain.jsonl");
});
afterEach(async () => {
  vi.restoreAllMocks();
  await rm(folder, { recursive: true });
});
const verifyAll = async (chain: ManagedAuditChain) =>
  SignedAuditChain.verifyJsonlSegments([await readFile(path), chain.exportTailJsonl()], bundle, { hybrid: true });

describe("ManagedAuditChain", () => {
  it("moves older entries to the file, keeps the newest, and verifies whole", async () => {
    const chain = await ManagedAuditChain.create(keyPair, path, { maxEntries: 10, minRetained: 4 });
    append(chain, 25);
    await expect.poll(() => chain.residentEntries).toBeLessThanOrEqual(10);
    await chain.flush();
    expect([chain.length, chain.residentEntries, chain.baseIndex]).toEqual([25, 4, 21]);
    expect(await verifyAll(chain)).toBe(25);
    append(chain, 1);
    await chain.close();
    expect(SignedAuditChain.verifyJsonl(await readFile(path), bundle)).toBe(26);
    expect(chain.stats()).toMatchObject({
      entriesAppended: 26,
      entriesEvicted: 26,
      residentBytes: 0,
      sinkHealthy: true,
    });
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });

  it("takes no entry from the moment it is closed, since nobody would write it, and is closed once", async () => {
    const chain = await ManagedAuditChain.create(keyPair, path);
    append(chain, 5);
    const closing = chain.close();
    const closed = expect.objectContaining({ name: "AuditChainError", code: "CLOSED" });
    expect(() => append(chain, 1)).toThrow(closed);
    await Promise.all([closing, chain.close()]);
    expect(() => append(chain, 1)).toThrow(closed);
    await chain.close();
    expect(chain.stats()).toMatchObject({ entriesAppended: 5, entriesEvicted: 5, residentEntries: 0, sinkFailures: 0 });
    expect(SignedAuditChain.verifyJsonl(await readFile(path), bundle)).toBe(5);
  });

  it("moves them by size as well", async () => {
    const chain = await ManagedAuditChain.create(keyPair, path, { maxBytes: 30_000, minRetained: 0 });
    append(chain, 8);
    await expect.poll(() => chain.residentBytes).toBeLessThanOrEqual(30_000);
    await chain.close();
  });

  it("begins with a file of its own, and refuses options out of range", async () => {
    await (await ManagedAuditChain.create(keyPair, path)).close();
    await expect(ManagedAuditChain.create(keyPair, path)).rejects.toMatchObject({ code: "EEXIST" });
    for (const option of [
      { maxEntries: 0 },
      { minRetained: -1 },
      { flushIntervalSeconds: 2_147_484 },
      { onSinkFailure: "drop" },
      { size: 1 },
    ]) {
      await expect(ManagedAuditChain.create(keyPair, join(folder, "x"), option as object)).rejects.toThrow(RangeError);
    }
  });

  it.each(["buffer", "reject"] as const)(
    "loses nothing while the disk is full, and goes on after (%s)",
    async (policy) => {
      const chain = await ManagedAuditChain.create(keyPair, path, {
        minRetained: 0,
        onSinkFailure: policy,
        bufferCeiling: 4,
      });
      append(chain, 2);
      await chain.flush();
      const probe = await open(path, "r");
      const full = vi
        .spyOn(Object.getPrototypeOf(probe), "datasync")
        .mockRejectedValue(Object.assign(new Error("no space"), { code: "ENOSPC" }));
      await probe.close();
      append(chain, 1);
      await expect(chain.flush()).rejects.toMatchObject({ code: "ENOSPC" });
      expect(chain.stats()).toMatchObject({ sinkHealthy: false, sinkFailures: 1, residentEntries: 1 });
      if (policy === "buffer") append(chain, 3);
      expect(() => append(chain, 1)).toThrow(expect.objectContaining({ code: "SINK_UNAVAILABLE" }));
      await expect(chain.flush()).rejects.toMatchObject({ code: "ENOSPC" });
      full.mockRestore();
      await chain.flush();
      append(chain, 1);
      expect(await verifyAll(chain)).toBe(policy === "buffer" ? 7 : 4);
      await chain.close();
    },
  );
});
