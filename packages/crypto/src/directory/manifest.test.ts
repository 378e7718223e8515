import { canonicalJson } from "@kavach/model";
import { describe, expect, it, vi } from "vitest";
import { DOMAINS, SUITES } from "../algorithms.ts";
import { utf8 } from "../framing.ts";
import { bundleToJson } from "../keys/public-key-bundle.ts";
import { generate, NOW_MS } from "../permits/permit-fixture.ts";
import { signWithSuite } from "../suite-signature.ts";
import { buildSignedManifest, openSignedManifest } from "./manifest.ts";

const root = generate(100);
const rootBundle = root.publicKeys();
const [alice, bob] = [generate().publicKeys(), generate().publicKeys()];
const EXPIRES_MS = NOW_MS + 50_000;
const BUILD = { bundles: [alice, bob], version: 7, expiresAtMs: EXPIRES_MS, nowMs: NOW_MS };
const OPEN = { nowMs: NOW_MS, versionMin: 0 };
const bytes = await buildSignedManifest(root, BUILD);
const json = JSON.parse(new TextDecoder().decode(bytes));

const opened = (content: unknown, options: object = {}) =>
  openSignedManifest(utf8(canonicalJson(content)), rootBundle, { ...OPEN, ...options });
const corrupt = expect.objectContaining({ name: "DirectoryError", code: "Corrupt" });
const distrusted = expect.objectContaining({ name: "DirectoryError", code: "RootSignatureInvalid" });

/** Signed by the root, whatever it says. */
async function signed(change: object, domain: (typeof DOMAINS)[keyof typeof DOMAINS] = DOMAINS.manifest) {
  const { signatures: _, ...unsigned } = { ...json, ...change };
  const { mlDsa, ed25519 } = await signWithSuite("ml-dsa-65+ed25519", domain, root, utf8(canonicalJson(unsigned)));
  const base64 = (part: Uint8Array) => Buffer.from(part).toString("base64");
  return { ...unsigned, signatures: { ml_dsa_65: base64(mlDsa), ed25519: base64(ed25519) } };
}

describe("a signed manifest", () => {
  it.each(SUITES)("comes back whole in suite %s, and in no other", async (suite) => {
    const manifest = await buildSignedManifest(root, { ...BUILD, suite });
    for (const other of SUITES) {
      const opening = openSignedManifest(manifest, rootBundle, { ...OPEN, suite: other });
      if (suite === other) {
        expect(await opening).toMatchObject({ version: 7, expiresAtMs: EXPIRES_MS, bundles: [alice, bob] });
      } else {
        await expect(opening).rejects.toEqual(distrusted);
      }
    }
  });

  it("is told from a forged one made by the same means (the tests below can fail)", async () => {
    expect(await opened(await signed({}))).toMatchObject({ version: 7 });
    expect(await opened(await signed({ version: 8, bundles: [] }))).toMatchObject({ version: 8, bundles: [] });
  });

  it.each([
    { version: 8 },
    { expires_at: "2030-01-01T00:00:00.000Z" },
    { bundles: [bundleToJson(alice)] },
    { bundles: [bundleToJson(bob), bundleToJson(alice)] },
    { bundles: [] },
    { suite: "ml-dsa-65" },
    { signatures: { ...json.signatures, ed25519: "" } },
    { signatures: { ...json.signatures, ml_dsa_65: "" } },
  ])("changed in a part (%#) is not vouched for", async (change) => {
    await expect(opened({ ...json, ...change })).rejects.toEqual(distrusted);
  });

  it("stripped to its ML-DSA signature and relabelled is not vouched for in either suite", async () => {
    const stripped = { ...json, suite: "ml-dsa-65", signatures: { ...json.signatures, ed25519: "" } };
    for (const suite of SUITES) await expect(opened(stripped, { suite })).rejects.toEqual(distrusted);
  });

  it("by another root, by an expired root, or signed as another kind of thing is not vouched for", async () => {
    const other = generate().publicKeys();
    await expect(openSignedManifest(bytes, other, OPEN)).rejects.toEqual(distrusted);
    const lasting = await signed({ expires_at: "2030-01-01T00:00:00.000Z" });
    expect(await opened(lasting, { nowMs: NOW_MS + 99_999 })).toMatchObject({ version: 7 });
    await expect(opened(lasting, { nowMs: NOW_MS + 100_000 })).rejects.toEqual(distrusted);
    // Nor is it for whoever has read it before: it lapses with its root.
    expect(await opened(lasting)).toMatchObject({ expiresAtMs: NOW_MS + 100_000 });
    for (const domain of [DOMAINS.permit, DOMAINS.auditCheckpoint, DOMAINS.channelMessage]) {
      await expect(opened(await signed({}, domain))).rejects.toEqual(distrusted);
    }
  });

  it("is not vouched for from its expiry on, nor below the highest version seen", async () => {
    expect(await opened(json, { nowMs: EXPIRES_MS - 1, versionMin: 7 })).toMatchObject({ version: 7 });
    await expect(opened(json, { nowMs: EXPIRES_MS })).rejects.toEqual(distrusted);
    await expect(opened(json, { nowMs: Number.NaN })).rejects.toEqual(distrusted);
    await expect(opened(json, { versionMin: 8 })).rejects.toEqual(distrusted);
    await expect(opened(json, { versionMin: Number.NaN })).rejects.toEqual(distrusted);
  });

  it("with content that makes no sense is corrupt, even when the root signed it", async () => {
    const short = { ...bundleToJson(alice), ed25519_verifying_key: [1] };
    const changes = [{ bundles: [short] }, { bundles: [alice, alice].map(bundleToJson) }, { expires_at: "soon" }];
    for (const change of changes) await expect(opened(await signed(change))).rejects.toEqual(corrupt);
    const twin = { ...bundleToJson(alice), id: "other-id" };
    await expect(opened(await signed({ bundles: [bundleToJson(alice), twin] }))).rejects.toEqual(corrupt);
  });

  it("in any spelling but the canonical one is corrupt", async () => {
    const text = new TextDecoder().decode(bytes);
    const spellings = [
      "",
      "null",
      "[]",
      text.slice(0, -1),
      `${text}\n`,
      `\ufeff${text}`,
      JSON.stringify(json, null, 1),
      text.replace('"version":7', '"version":7.0'),
      text.replace('"version":7', '"version":6,"version":7'),
      canonicalJson({ ...json, note: "" }),
      canonicalJson({ ...json, signatures: { ...json.signatures, note: "" } }),
      canonicalJson({ ...json, format: "kavach-manifest-v1" }),
      canonicalJson({ ...json, version: 0 }),
    ];
    for (const spelling of spellings) {
      await expect(openSignedManifest(utf8(spelling), rootBundle, OPEN), spelling.slice(0, 40)).rejects.toEqual(
        corrupt,
      );
    }
    await expect(openSignedManifest(Uint8Array.of(0xff), rootBundle, OPEN)).rejects.toEqual(corrupt);
  });

  it.each([
    [{ version: 0 }, "OPTION_INVALID"],
    [{ expiresAtMs: NOW_MS }, "OPTION_INVALID"],
    [{ expiresAtMs: NOW_MS + 100_001 }, "KEY_EXPIRES_FIRST"],
    [{ nowMs: NOW_MS + 100_000, expiresAtMs: NOW_MS + 100_001 }, "KEY_EXPIRED"],
    [{ expiresAtMs: Date.UTC(10_000, 0, 1) }, "OPTION_INVALID"],
    [{ expiresAtMs: Number.MAX_SAFE_INTEGER }, "OPTION_INVALID"],
    [{ suite: "ml-dsa-87" }, "OPTION_INVALID"],
    [{ expires_at: "2030-01-01T00:00:00Z" }, "OPTION_INVALID"],
    [{ bundles: [{ ...alice, id: "\ud800" }] }, "KEY_CORRUPT"],
    [{ bundles: [alice, alice] }, "KEY_CORRUPT"],
    [{ bundles: [{ ...alice, ed25519VerifyingKey: new Uint8Array(31) }] }, "KEY_CORRUPT"],
  ])("is not built from %o", async (change, code) => {
    await expect(buildSignedManifest(root, { ...BUILD, ...(change as object) })).rejects.toMatchObject({ code });
  });

  it("that is long is parsed only when its root has signed it", async () => {
    const bytesOf = (size: number) => new Uint8Array(size).fill(255);
    const bundles = Array.from({ length: 100 }, (_, i) => ({
      ...alice,
      ...{
        id: `key-${i}`,
        mlDsaVerifyingKey: bytesOf(1952).fill(i, 0, 1),
        ed25519VerifyingKey: bytesOf(32).fill(i, 0, 1),
      },
    }));
    const long = await buildSignedManifest(root, { ...BUILD, bundles });
    expect(long.length).toBeGreaterThan(1024 * 1024);
    expect((await openSignedManifest(long, rootBundle, OPEN)).bundles).toHaveLength(100);
    const text = new TextDecoder().decode(bytes);
    const dense = text.replace(/"bundles":\[.*?\],"expires/, `"bundles":[${"{},".repeat(400_000)}{}],"expires`);
    const parse = vi.spyOn(JSON, "parse");
    await expect(openSignedManifest(utf8(dense), rootBundle, OPEN)).rejects.toEqual(distrusted);
    await expect(openSignedManifest(utf8(`${dense}\n`), rootBundle, OPEN)).rejects.toEqual(corrupt);
    const other = generate().publicKeys();
    await expect(openSignedManifest(long, other, OPEN)).rejects.toEqual(distrusted);
    expect(parse).not.toHaveBeenCalled();
    parse.mockRestore();
  });
});
