import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { PermitClaimsSchema, SignedPermitSchema } from "@kavach/api";
import { describe, expect, it, vi } from "vitest";
import { SUITES } from "../algorithms.ts";
import { PublicKeyDirectory } from "../directory/directory.ts";
import { KavachKeyPair } from "../keys/key-pair.ts";
import { keyIdOf } from "../keys/public-key-bundle.ts";
import { provider } from "../provider.ts";
import { claimsOf, clockAt, EXPIRES_MS, expectationOf, generate, NOW_MS } from "./permit-fixture.ts";
import { PermitSigner } from "./signer.ts";
import { PermitVerifier } from "./verifier.ts";

const keyPair = generate();
const clock = clockAt(NOW_MS);
const directory = PublicKeyDirectory.inMemory([keyPair.publicKeys()]);
const eventLoopTurn = () => new Promise<void>((resolve) => void setImmediate(resolve));
const read = (token: Uint8Array) => fromBinary(SignedPermitSchema, token);
const headSizes = (tokens: Uint8Array[]) => tokens.map((token) => read(token).head?.size);

describe("PermitSigner", () => {
  it.each(SUITES)("writes the contract's canonical bytes (%s)", async (suite) => {
    const signer = new PermitSigner({ keyPair, clock, suite });
    const [first = new Uint8Array(), second = new Uint8Array()] = await Promise.all([
      signer.seal(claimsOf({}, 1)),
      signer.seal(claimsOf({}, 2)),
    ]);
    for (const token of [first, second]) {
      const permit = read(token);
      expect(toBinary(SignedPermitSchema, create(SignedPermitSchema, permit))).toEqual(token);
      const claims = fromBinary(PermitClaimsSchema, permit.claims);
      expect(claims).toMatchObject({
        version: 2,
        suite,
        keyId: keyIdOf(keyPair.publicKeys(), suite),
        action: "issue_refund",
      });
      expect(permit.head).toMatchObject({ suite, keyId: signer.keyId, size: 2 });
    }
    expect([read(first).index, read(second).index]).toEqual([0, 1]);
  });

  it("goes by this machine's clock where it is given none", async () => {
    const lasting = new PermitSigner({ keyPair: KavachKeyPair.generate({ expiresInSeconds: 3600 }) });
    const times = { issuedAtMs: Date.now(), notBeforeMs: Date.now(), expiresAtMs: Date.now() + 30_000 };
    expect(await lasting.seal(claimsOf(times))).toBeInstanceOf(Uint8Array);
    const past = KavachKeyPair.generate({ clock: clockAt(0), expiresInSeconds: 1 });
    expect(() => new PermitSigner({ keyPair: past })).toThrow(expect.objectContaining({ code: "KEY_EXPIRED" }));
  });

  it("leaves a permit to be written where it is sent from, and touches nothing around it", async () => {
    const signer = new PermitSigner({ keyPair, clock });
    const [sealed] = await Promise.all([signer.sealToken(claimsOf({}, 1)), signer.seal(claimsOf({}, 2))]);
    const bytes = new Uint8Array(sealed.size + 20).fill(7);
    sealed.writeTo(bytes, 9);
    expect(bytes.subarray(9, 9 + sealed.size)).toEqual(sealed.toBytes());
    expect([...bytes.subarray(0, 9), ...bytes.subarray(9 + sealed.size)]).toEqual(new Array(20).fill(7));
    const verified = new PermitVerifier({ directory }).verify(sealed.toBytes(), expectationOf());
    expect(await verified).toMatchObject({ kind: "valid" });
    // There is no room: half a permit would be somebody's proof of nothing.
    expect(() => sealed.writeTo(new Uint8Array(10), 9)).toThrow();
    expect(() => sealed.writeTo(bytes, 21)).toThrow();
    await signer.close();
    await expect(signer.sealToken(claimsOf())).rejects.toMatchObject({ code: "SIGNER_CLOSED" });
    const broken = new PermitSigner({ keyPair, clock }).sealToken(claimsOf({ realm: "" }));
    await expect(broken).rejects.toMatchObject({ code: "CLAIMS_INVALID" });
  });

  it.each([...Array.from({ length: 64 }, (_, i) => i + 1), 511, 512])(
    "seals %i permits that arrive together under one head, each complete in itself",
    async (size) => {
      const signer = new PermitSigner({ keyPair, clock });
      const tokens = await Promise.all(Array.from({ length: size }, (_, i) => signer.seal(claimsOf({}, i))));
      expect(new Set(headSizes(tokens))).toEqual(new Set([size]));
      const step = size > 64 ? 37 : 1;
      for (let i = 0; i < size; i += step) {
        const token = tokens[i] as Uint8Array;
        const verifier = new PermitVerifier({ directory });
        // Every verifier here is new: the first of a batch pays for the signature, so only few are tried.
        if (i === 0 || i === size - 1)
          expect(await verifier.verify(token, expectationOf())).toMatchObject({ kind: "valid" });
        expect(read(token).index).toBe(i);
      }
    },
  );

  it("begins the next batch with what arrived while a signature was made, and never holds a lone permit", async () => {
    const signer = new PermitSigner({ keyPair, clock, batchWaitMs: 1000 });
    const lone = signer.seal(claimsOf({}, 1));
    await eventLoopTurn();
    const later = Promise.all([2, 3, 4].map((i) => signer.seal(claimsOf({}, i))));
    expect(headSizes([await lone])).toEqual([1]);
    expect(headSizes(await later)).toEqual([3, 3, 3]);
  });

  it("signs together what arrived in one turn of the event loop, however many steps apart", async () => {
    const signer = new PermitSigner({ keyPair, clock });
    const first = signer.seal(claimsOf({}, 1));
    for (let step = 0; step < 20; step++) await Promise.resolve();
    expect(headSizes(await Promise.all([first, signer.seal(claimsOf({}, 2))]))).toEqual([2, 2]);
  });

  it.each([
    [0, 10],
    [2, 3],
  ])(
    "takes in what keeps arriving, for batchWaitMs at most: a permit every %i ms, %i in the first batch",
    async (everyMs, first) => {
      const moving = clockAt(NOW_MS);
      const signer = new PermitSigner({ keyPair, clock: moving, batchWaitMs: 5 });
      const tokens: Promise<Uint8Array>[] = [];
      await new Promise<void>((resolve) => {
        const arrive = () => {
          if (tokens.length === 9) resolve();
          else setImmediate(arrive);
          tokens.push(signer.seal(claimsOf({}, tokens.length)));
          moving.ms += everyMs;
        };
        arrive();
      });
      const sizes = headSizes(await Promise.all(tokens));
      expect(sizes.slice(0, first)).toEqual(Array.from({ length: first }, () => first));
    },
  );

  it("signs beside a signature that takes longer than batchWaitMs, but never three at once", async () => {
    vi.useFakeTimers();
    const open: (() => void)[] = [];
    const real = provider.signInBackground.bind(provider);
    const slow = vi.spyOn(provider, "signInBackground").mockImplementation(async (...parts) => {
      await new Promise<void>((resolve) => open.push(resolve));
      return await real(...parts);
    });
    try {
      const signer = new PermitSigner({ keyPair, clock, batchWaitMs: 5 });
      const first = signer.seal(claimsOf({}, 1));
      await vi.advanceTimersByTimeAsync(0);
      const second = signer.seal(claimsOf({}, 2));
      await vi.advanceTimersByTimeAsync(4);
      expect(open).toHaveLength(1);
      await vi.advanceTimersByTimeAsync(1);
      expect(open).toHaveLength(2);
      const third = signer.seal(claimsOf({}, 3));
      await vi.advanceTimersByTimeAsync(1000);
      expect(open).toHaveLength(2);
      open[0]?.();
      open[1]?.();
      expect(headSizes(await Promise.all([first, second]))).toEqual([1, 1]);
      await vi.advanceTimersByTimeAsync(0);
      expect(open).toHaveLength(3);
      open[2]?.();
      expect(headSizes([await third])).toEqual([1]);
      expect(vi.getTimerCount()).toBe(0);
    } finally {
      slow.mockRestore();
      vi.useRealTimers();
    }
  });

  it("fails the batch, and only that, when the provider cannot sign", async () => {
    const signer = new PermitSigner({ keyPair, clock });
    const failing = vi.spyOn(provider, "signInBackground").mockRejectedValueOnce(new Error("no entropy"));
    const lost = await Promise.allSettled([1, 2].map((i) => signer.seal(claimsOf({}, i))));
    expect(lost).toMatchObject([{ reason: { code: "SIGNING_FAILED" } }, { reason: { code: "SIGNING_FAILED" } }]);
    expect(headSizes([await signer.seal(claimsOf())])).toEqual([1]);
    failing.mockRestore();
  });

  it("cuts batches at batchMax", async () => {
    const signer = new PermitSigner({ keyPair, clock, batchMax: 4, batchWaitMs: 1000 });
    const tokens = await Promise.all(Array.from({ length: 10 }, (_, i) => signer.seal(claimsOf({}, i))));
    expect(headSizes(tokens)).toEqual([4, 4, 4, 4, 4, 4, 4, 4, 2, 2]);
  });

  it("refuses claims that break a rule, and the rest of their batch is sealed", async () => {
    const signer = new PermitSigner({ keyPair, clock });
    const sealed = signer.seal(claimsOf());
    const bad: Parameters<typeof claimsOf>[0][] = [
      { realm: "" },
      { realm: "é".repeat(129) },
      { tokenId: new Uint8Array(15) },
      { evaluationId: new Uint8Array(17) },
      { principal: { id: "", kind: "agent", roles: [] } },
      { principal: { id: "a", kind: "robot" as "agent", roles: [] } },
      { principal: { id: "a", kind: "agent", roles: [""] } },
      { action: "" },
      { action: "\ud800" },
      { resource: "x".repeat(1025) },
      { paramsDigest: new Uint8Array(0) },
      { policyDigest: new Uint8Array(31) },
      { audience: Array.from({ length: 17 }, () => "a") },
      { revision: { generation: -1, number: 0 } },
      { issuedAtMs: 0.5 },
      { notBeforeMs: NOW_MS - 1 },
      { expiresAtMs: NOW_MS },
      { expiresAtMs: NOW_MS + 300_001 },
      { mode: "" as "observe" },
      { tokenId: "sixteen letters!" as unknown as Uint8Array },
      { principal: undefined as never },
    ];
    for (const change of bad) {
      await expect(signer.seal(claimsOf(change)), JSON.stringify(Object.keys(change ?? {}))).rejects.toMatchObject({
        code: "CLAIMS_INVALID",
      });
    }
    expect(headSizes([await sealed])).toEqual([1]);
  });

  it("never lets a permit outlive its key, and an expired key signs nothing", async () => {
    const mine = clockAt(NOW_MS);
    const signer = new PermitSigner({ keyPair: generate(30), clock: mine });
    expect(signer.keyExpiresAtMs).toBe(EXPIRES_MS);
    expect(headSizes([await signer.seal(claimsOf())])).toEqual([1]);
    await expect(signer.seal(claimsOf({ expiresAtMs: EXPIRES_MS + 1 }))).rejects.toMatchObject({
      code: "KEY_EXPIRES_FIRST",
    });
    const waiting = signer.seal(claimsOf());
    mine.ms = EXPIRES_MS;
    await expect(waiting).rejects.toMatchObject({ code: "KEY_EXPIRED" });
    await expect(signer.seal(claimsOf())).rejects.toMatchObject({ code: "KEY_EXPIRED" });
  });

  it("finishes what was asked for when it is closed, and refuses what comes later", async () => {
    const signer = new PermitSigner({ keyPair, clock, batchMax: 2 });
    const asked = Promise.all(Array.from({ length: 5 }, (_, i) => signer.seal(claimsOf({}, i))));
    await signer.close();
    await expect(signer.seal(claimsOf())).rejects.toMatchObject({ code: "SIGNER_CLOSED" });
    expect(headSizes(await asked)).toEqual([2, 2, 2, 2, 1]);
  });

  it("fails every permit of a batch whose key was disposed of", async () => {
    const mine = generate();
    const signer = new PermitSigner({ keyPair: mine, clock });
    const asked = [1, 2].map((i) => signer.seal(claimsOf({}, i)));
    mine.dispose();
    const outcomes = await Promise.allSettled(asked);
    expect(outcomes).toMatchObject([{ reason: { code: "KEY_DISPOSED" } }, { reason: { code: "KEY_DISPOSED" } }]);
  });

  it.each([
    { batchMax: 0 },
    { batchMax: 513 },
    { batchWaitMs: 0 },
    { batchWaitMs: 1001 },
    { suite: "rsa" },
    { wait: 1 },
  ])("refuses option %o", (option) => {
    expect(() => new PermitSigner({ keyPair, clock, ...(option as object) })).toThrow(
      expect.objectContaining({ code: "OPTION_INVALID" }),
    );
  });
});
