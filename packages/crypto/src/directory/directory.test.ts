import { describe, expect, it, vi } from "vitest";
import { SUITES } from "../algorithms.ts";
import { keyIdOf, type PublicKeyBundle } from "../keys/public-key-bundle.ts";
import { clockAt, generate, NOW_MS } from "../permits/permit-fixture.ts";
import { PublicKeyDirectory } from "./directory.ts";
import { buildSignedManifest } from "./manifest.ts";
import type { SignedManifestSource } from "./source.ts";

const root = generate();
const [alice, bob] = [generate().publicKeys(), generate().publicKeys()];
const EXPIRES_MS = NOW_MS + 1000;
const fails = (code: string) => expect.objectContaining({ name: "DirectoryError", code });

const manifestOf = (version: number, bundles: readonly PublicKeyBundle[], expiresAtMs = EXPIRES_MS) =>
  buildSignedManifest(root, { bundles, version, expiresAtMs, nowMs: NOW_MS });

/** A source whose bytes and clock the test turns. */
async function served(first: Uint8Array, more: Partial<SignedManifestSource> = {}) {
  const clock = clockAt(NOW_MS);
  const source = { bytes: first as Uint8Array | Error, clock };
  const read = vi.fn(async () => {
    if (source.bytes instanceof Error) throw source.bytes;
    return source.bytes;
  });
  const directory = await PublicKeyDirectory.fromSignedManifest({
    read,
    rootBundle: root.publicKeys(),
    clock,
    ...more,
  });
  return { source, read, directory };
}

describe("PublicKeyDirectory in memory", () => {
  it("finds a bundle by its own id and by its key id in every suite", async () => {
    const directory = PublicKeyDirectory.inMemory([alice, bob]);
    for (const bundle of [alice, bob]) {
      for (const id of [bundle.id, ...SUITES.map((suite) => keyIdOf(bundle, suite))]) {
        expect(await directory.fetch(id)).toEqual(bundle);
      }
    }
    await expect(directory.fetch("")).rejects.toEqual(fails("NotFound"));
    await expect(directory.fetch("__proto__")).rejects.toEqual(fails("NotFound"));
  });

  it("forgets what is removed or replaced, under all its names", async () => {
    const directory = PublicKeyDirectory.inMemory([alice]);
    directory.insert({ ...bob, id: alice.id });
    await expect(directory.fetch(keyIdOf(alice, "ml-dsa-65"))).rejects.toEqual(fails("NotFound"));
    expect(await directory.fetch(keyIdOf(bob, "ml-dsa-65"))).toMatchObject({ id: alice.id });
    expect(directory.remove(alice.id)).toBe(true);
    expect(directory.remove(alice.id)).toBe(false);
    await expect(directory.fetch(keyIdOf(bob, "ml-dsa-65"))).rejects.toEqual(fails("NotFound"));
    expect(directory.bundles()).toEqual([]);
  });

  it("does not let a bundle pass for another by calling itself by its key id", async () => {
    const keyId = keyIdOf(alice, "ml-dsa-65+ed25519");
    const directory = PublicKeyDirectory.inMemory([alice]);
    directory.insert({ ...bob, id: keyId });
    expect(await directory.fetch(keyId)).toEqual(alice);
  });

  it("finds keys that two ids share for as long as either is there", async () => {
    const directory = PublicKeyDirectory.inMemory([alice, { ...alice, id: "twin" }]);
    const keyId = keyIdOf(alice, "ml-dsa-65+ed25519");
    directory.remove("twin");
    expect(await directory.fetch(keyId)).toEqual(alice);
    directory.remove(alice.id);
    await expect(directory.fetch(keyId)).rejects.toEqual(fails("NotFound"));
  });

  it("takes nothing for a bundle that is none, nor a name that is none for a key", async () => {
    for (const none of [undefined, null, {}, "bundle", { ...alice, id: "" }]) {
      expect(() => PublicKeyDirectory.inMemory([none as never])).toThrow(fails("Corrupt"));
      expect(() => PublicKeyDirectory.buildUnsignedManifest([none as never])).toThrow(
        expect.objectContaining({ code: "KEY_CORRUPT" }),
      );
      await expect(PublicKeyDirectory.inMemory([alice]).fetch(none as never)).rejects.toEqual(fails("NotFound"));
    }
  });

  it("refuses keys of a wrong length, and keeps its own copy of the rest", async () => {
    for (const name of [
      "mlDsaVerifyingKey",
      "mlKemEncapsulationKey",
      "ed25519VerifyingKey",
      "x25519PublicKey",
    ] as const) {
      const damaged = { ...alice, [name]: alice[name].subarray(1) };
      expect(() => PublicKeyDirectory.inMemory([damaged]), name).toThrow(fails("Corrupt"));
    }
    const mine = { ...alice, mlDsaVerifyingKey: alice.mlDsaVerifyingKey.slice() };
    const directory = PublicKeyDirectory.inMemory([mine]);
    mine.mlDsaVerifyingKey.fill(0);
    expect(await directory.fetch(alice.id)).toEqual(alice);
  });
});

describe("PublicKeyDirectory from a signed manifest", () => {
  it("holds what the root vouched for, and changes only by a new manifest", async () => {
    const { directory, source } = await served(await manifestOf(3, [alice]));
    expect(directory.version).toBe(3);
    expect(await directory.fetch(alice.id)).toEqual(alice);
    for (const change of [() => directory.insert(bob), () => directory.remove(alice.id)]) {
      expect(change).toThrow(expect.objectContaining({ code: "OPTION_INVALID" }));
    }
    source.bytes = await manifestOf(4, [bob]);
    await directory.reload();
    expect(directory.version).toBe(4);
    expect(await directory.fetch(bob.id)).toEqual(bob);
    await expect(directory.fetch(alice.id)).rejects.toEqual(fails("NotFound"));
  });

  it("keeps the last good set when a reload fails in any way", async () => {
    const { directory, source } = await served(await manifestOf(3, [alice]));
    const bad: [Uint8Array | Error, string][] = [
      [new Error("unreachable"), "BackendUnavailable"],
      [new Uint8Array(0), "Corrupt"],
      [await manifestOf(2, [bob]), "RootSignatureInvalid"],
      [await manifestOf(3, [bob]), "RootSignatureInvalid"],
      [
        await buildSignedManifest(generate(), { bundles: [bob], version: 4, expiresAtMs: EXPIRES_MS, nowMs: NOW_MS }),
        "RootSignatureInvalid",
      ],
    ];
    for (const [bytes, code] of bad) {
      source.bytes = bytes;
      await expect(directory.reload()).rejects.toEqual(fails(code));
      expect(await directory.fetch(alice.id)).toEqual(alice);
      expect(directory.version).toBe(3);
    }
  });

  it("has nothing any more once the manifest has lapsed, until a newer one is loaded", async () => {
    const { directory, source } = await served(await manifestOf(1, [alice]));
    source.clock.ms = EXPIRES_MS - 1;
    expect(await directory.fetch(alice.id)).toEqual(alice);
    source.clock.ms = EXPIRES_MS;
    await expect(directory.fetch(alice.id)).rejects.toEqual(fails("BackendUnavailable"));
    source.bytes = await manifestOf(2, [alice], EXPIRES_MS + 1);
    await directory.reload();
    expect(await directory.fetch(alice.id)).toEqual(alice);
  });

  it("does not start below the version it was told, and reads once for reloads that overlap", async () => {
    const bytes = await manifestOf(3, [alice]);
    await expect(served(bytes, { versionMin: 4 })).rejects.toEqual(fails("RootSignatureInvalid"));
    const { directory, read } = await served(bytes, { versionMin: 3 });
    await Promise.all([directory.reload(), directory.reload(), directory.reload()]);
    expect(read).toHaveBeenCalledTimes(2);
    await directory.reload();
    expect(read).toHaveBeenCalledTimes(3);
  });
});
