import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { KavachKeyPair } from "../keys/key-pair.ts";
import { clockAt, generate, NOW_MS } from "../permits/permit-fixture.ts";
import { PublicKeyDirectory } from "./directory.ts";
import { buildSignedManifest } from "./manifest.ts";
import { signedManifestSource } from "./source.ts";

const root = generate();
const [alice, bob] = [generate().publicKeys(), generate().publicKeys()];
const EXPIRES_MS = NOW_MS + 1000;
const fails = (code: string) => expect.objectContaining({ name: "DirectoryError", code });
const optionInvalid = expect.objectContaining({ code: "OPTION_INVALID" });
const manifestOf = (version: number, bundles = [alice], expiresAtMs = EXPIRES_MS) =>
  buildSignedManifest(root, { bundles, version, expiresAtMs, nowMs: NOW_MS });

let folder: string;
let file: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "kavach-directory-"));
  file = join(folder, "manifest");
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

describe("PublicKeyDirectory from a file", () => {
  const rootMlDsaVerifyingKey = root.publicKeys().mlDsaVerifyingKey;
  const rootBundle = root.publicKeys();

  it("reads unsigned manifests, and signed ones of either format by what the root is known by", async () => {
    const clock = clockAt(NOW_MS);
    await writeFile(file, PublicKeyDirectory.buildUnsignedManifest([alice, bob]));
    const unsigned = await PublicKeyDirectory.fromFile(file);
    expect([unsigned.length, await unsigned.fetch(bob.id)]).toEqual([2, bob]);
    await writeFile(file, root.buildSignedManifest([alice], { clock }));
    const one = await PublicKeyDirectory.fromSignedFile(file, { rootMlDsaVerifyingKey });
    expect(await one.fetch(alice.id)).toEqual(alice);
    await expect(PublicKeyDirectory.fromSignedFile(file, { rootBundle, clock })).rejects.toEqual(fails("Corrupt"));
    await writeFile(file, await manifestOf(7));
    const two = await PublicKeyDirectory.fromSignedFile(file, { rootBundle, clock });
    expect([two.version, await two.fetch(alice.id)]).toEqual([7, alice]);
    for (const load of [
      () => PublicKeyDirectory.fromSignedFile(file, { rootMlDsaVerifyingKey }),
      () => PublicKeyDirectory.fromFile(file),
    ]) {
      await expect(load()).rejects.toEqual(fails("Corrupt"));
    }
    const missing = PublicKeyDirectory.fromFile(join(folder, "none"));
    await expect(missing).rejects.toEqual(fails("BackendUnavailable"));
  });

  it("keeps the highest version it saw on the disk, and takes no older or other one after a restart", async () => {
    const seenVersionFile = join(folder, "seen");
    const start = () =>
      PublicKeyDirectory.fromSignedFile(file, { rootBundle, clock: clockAt(NOW_MS), seenVersionFile });
    const write = async (version: number, bundles = [alice]) => writeFile(file, await manifestOf(version, bundles));
    await write(3);
    expect((await start()).version).toBe(3);
    expect((await start()).version).toBe(3);
    await write(2);
    await expect(start()).rejects.toEqual(fails("RootSignatureInvalid"));
    await write(3, [bob]);
    await expect(start()).rejects.toEqual(fails("RootSignatureInvalid"));
    await write(4);
    expect((await start()).version).toBe(4);
    // The twin without the file takes what it is given.
    await write(1);
    const forgetful = PublicKeyDirectory.fromSignedFile(file, { rootBundle, clock: clockAt(NOW_MS) });
    expect((await forgetful).version).toBe(1);
    await writeFile(seenVersionFile, "{}");
    await expect(start()).rejects.toEqual(fails("Corrupt"));
  });

  it("shares the file between verifiers that start at once", async () => {
    const seenVersionFile = join(folder, "shared");
    await writeFile(file, await manifestOf(5));
    const start = () =>
      PublicKeyDirectory.fromSignedFile(file, { rootBundle, clock: clockAt(NOW_MS), seenVersionFile });
    const started = await Promise.all(Array.from({ length: 20 }, start));
    expect(started.map(({ version }) => version)).toEqual(started.map(() => 5));
    expect(JSON.parse(await readFile(seenVersionFile, "utf8"))).toMatchObject({ version: 5 });
    expect((await readdir(folder)).filter((name) => name.startsWith("shared"))).toEqual(["shared"]);
  });

  it("refuses when it cannot keep the version", async () => {
    const seenVersionFile = join(folder, "none", "seen");
    await writeFile(file, await manifestOf(1));
    const start = PublicKeyDirectory.fromSignedFile(file, { rootBundle, clock: clockAt(NOW_MS), seenVersionFile });
    await expect(start).rejects.toEqual(fails("BackendUnavailable"));
  });

  it.each([
    {},
    { rootBundle, root: 1 },
    { rootMlDsaVerifyingKey, seenVersionFile: "seen" },
    { rootBundle, refetchMinMs: -1 },
    { rootBundle, suite: "ed25519" },
    { rootBundle, versionMin: -1 },
    { rootBundle, versionMin: Number.NaN },
    { rootMlDsaVerifyingKey, rootBundle },
    undefined,
    null,
  ])("refuses options %o", async (options) => {
    await writeFile(file, await manifestOf(1));
    await expect(PublicKeyDirectory.fromSignedFile(file, options as never)).rejects.toEqual(optionInvalid);
  });
});

describe("a root or a file that is none", () => {
  it("is refused before anything is read with it", async () => {
    await writeFile(file, await manifestOf(1));
    const corrupt = expect.objectContaining({ code: "KEY_CORRUPT" });
    const { mlDsaVerifyingKey } = root.publicKeys();
    for (const rootBundle of [null, {}, { ...root.publicKeys(), mlDsaVerifyingKey: new Uint8Array(1951) }]) {
      await expect(PublicKeyDirectory.fromSignedFile(file, { rootBundle } as never)).rejects.toEqual(corrupt);
    }
    for (const rootMlDsaVerifyingKey of [undefined, "", new Uint8Array(0), mlDsaVerifyingKey.subarray(1)]) {
      await expect(PublicKeyDirectory.fromSignedFile(file, { rootMlDsaVerifyingKey } as never)).rejects.toEqual(
        corrupt,
      );
    }
  });

  it("is not read to its end when it has none", async () => {
    await expect(PublicKeyDirectory.fromFile("/dev/zero")).rejects.toEqual(fails("Corrupt"));
    await expect(KavachKeyPair.loadFromFile("/dev/zero")).rejects.toMatchObject({ code: "KEY_CORRUPT" });
    const seen = { rootBundle: root.publicKeys(), clock: clockAt(NOW_MS), seenVersionFile: "/dev/zero" };
    await writeFile(file, await manifestOf(1));
    await expect(PublicKeyDirectory.fromSignedFile(file, seen)).rejects.toEqual(fails("Corrupt"));
  });
});

describe("a key that is missed", () => {
  it("has the source read again: once for all who wait, and only so often", async () => {
    const clock = clockAt(NOW_MS);
    let bytes = await manifestOf(1);
    const read = vi.fn(async () => bytes);
    const directory = await PublicKeyDirectory.fromSource(
      signedManifestSource({ read, rootBundle: root.publicKeys(), clock }),
      { clock, refetchMinMs: 100 },
    );
    bytes = await manifestOf(2, [alice, bob]);
    const found = await Promise.all([bob, bob, bob].map(({ id }) => directory.fetch(id)));
    expect([found.length, read.mock.calls.length]).toEqual([3, 2]);
    for (let i = 0; i < 50; i++) await expect(directory.fetch(`other-${i}`)).rejects.toEqual(fails("NotFound"));
    expect(read).toHaveBeenCalledTimes(2);
    clock.ms += 100;
    await expect(directory.fetch("other")).rejects.toEqual(fails("NotFound"));
    expect(read).toHaveBeenCalledTimes(3);
    await directory.fetch(alice.id);
    expect(read).toHaveBeenCalledTimes(3);
  });

  it("is missing when the source fails, and so are all once the manifest has lapsed, until a newer one is there", async () => {
    const clock = clockAt(NOW_MS);
    let bytes: Uint8Array | Error = await manifestOf(1);
    const read = async () => {
      if (bytes instanceof Error) throw bytes;
      return bytes;
    };
    const source = signedManifestSource({ read, rootBundle: root.publicKeys(), clock });
    const directory = await PublicKeyDirectory.fromSource(source, { clock, refetchMinMs: 0 });
    bytes = new Error("gone");
    await expect(directory.fetch(bob.id)).rejects.toEqual(fails("NotFound"));
    expect(await directory.fetch(alice.id)).toEqual(alice);
    clock.ms = EXPIRES_MS;
    await expect(directory.fetch(alice.id)).rejects.toEqual(fails("BackendUnavailable"));
    bytes = await manifestOf(2, [alice], EXPIRES_MS + 1);
    expect(await directory.fetch(alice.id)).toEqual(alice);
  });
});

describe("a source that hangs", () => {
  afterEach(() => vi.useRealTimers());

  it("holds up nobody who misses a key for longer than ten seconds, nor those whose keys are there", async () => {
    const clock = clockAt(NOW_MS);
    const first = await manifestOf(1);
    const second = await manifestOf(2, [alice, bob]);
    const { promise: hanging, resolve: answer } = Promise.withResolvers<Uint8Array>();
    const read = vi.fn<() => Promise<Uint8Array>>().mockResolvedValueOnce(first).mockReturnValue(hanging);
    const source = signedManifestSource({ read, rootBundle: root.publicKeys(), clock });
    const directory = await PublicKeyDirectory.fromSource(source, { clock, refetchMinMs: 0 });
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const missed = expect(directory.fetch(bob.id)).rejects.toEqual(fails("NotFound"));
    expect(await directory.fetch(alice.id)).toEqual(alice);
    await vi.advanceTimersByTimeAsync(10_000);
    await missed;
    // No other reading is begun beside it, and what it brings after all is taken.
    const found = directory.fetch(bob.id);
    answer(second);
    expect(await found).toEqual(bob);
    expect(read).toHaveBeenCalledTimes(2);
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe("PublicKeyDirectory over HTTP", () => {
  let server: Server;
  let url: string;
  let answer: (response: import("node:http").ServerResponse) => void;
  beforeEach(async () => {
    server = createServer((_, response) => answer(response)).listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/manifest`;
  });
  afterEach(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const load = (options: object = {}) =>
    PublicKeyDirectory.fromHttp(url, { rootBundle: root.publicKeys(), clock: clockAt(NOW_MS), ...options });

  it("reads what the root signed, whoever serves it", async () => {
    const bytes = await manifestOf(5);
    answer = (response) => response.end(bytes);
    const directory = await load();
    expect([directory.version, await directory.fetch(alice.id)]).toEqual([5, alice]);
  });

  it("reads no other kind of URL, and nothing without bounds", async () => {
    const rootBundle = root.publicKeys();
    for (const wrong of ["file:///etc/hostname", "manifest", "", "https://name:secret@host/m"]) {
      await expect(PublicKeyDirectory.fromHttp(wrong, { rootBundle })).rejects.toEqual(optionInvalid);
    }
    await expect(load({ timeoutMs: 0 })).rejects.toEqual(optionInvalid);
  });

  it("believes no cache past the manifest's own expiry", async () => {
    const clock = clockAt(NOW_MS);
    const bytes = await manifestOf(5);
    answer = (response) => response.setHeader("cache-control", "max-age=31536000").end(bytes);
    const directory = await load({ clock });
    clock.ms = EXPIRES_MS;
    await expect(directory.fetch(alice.id)).rejects.toEqual(fails("BackendUnavailable"));
  });

  it("refuses errors, redirects, silence and what the root did not sign", async () => {
    const bytes = await manifestOf(5);
    const forged = await buildSignedManifest(generate(), {
      bundles: [bob],
      version: 6,
      expiresAtMs: EXPIRES_MS,
      nowMs: NOW_MS,
    });
    const bomb = gzipSync(Buffer.alloc(65 * 1024 * 1024));
    // Always something, and never all: only the limit on the whole answer ends it.
    const trickle: typeof answer = (response) => {
      const drops = setInterval(() => response.write(" "), 20);
      response.on("close", () => clearInterval(drops));
    };
    const cases: [typeof answer, string, timeoutMs?: number][] = [
      [(response) => response.writeHead(500).end(bytes), "BackendUnavailable"],
      [(response) => response.writeHead(203).end(bytes), "BackendUnavailable"],
      [(response) => response.writeHead(302, { location: url }).end(), "BackendUnavailable"],
      [(response) => response.write("{"), "BackendUnavailable", 500],
      [(response) => response.end("<html>"), "Corrupt"],
      [(response) => response.end(forged), "RootSignatureInvalid"],
      [
        (response) => response.writeHead(200, { "content-length": bytes.length + 1 }).end(bytes),
        "BackendUnavailable",
        500,
      ],
      [(response) => response.destroy(), "BackendUnavailable"],
      // 65 MiB in 64 KiB.
      [(response) => response.writeHead(200, { "content-encoding": "gzip" }).end(bomb), "BackendUnavailable"],
      [trickle, "BackendUnavailable", 500],
    ];
    for (const [serve, code, timeoutMs = 20_000] of cases) {
      answer = serve;
      await expect(load({ timeoutMs }), code).rejects.toEqual(fails(code));
    }
  });
});
