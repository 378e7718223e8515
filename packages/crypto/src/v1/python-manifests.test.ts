import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { PublicKeyDirectory } from "../directory/directory.ts";
import { signedManifestSourceV1, unsignedManifestSourceV1 } from "../directory/source.ts";
import { DirectoryError } from "../errors.ts";
import { KavachKeyPair } from "../keys/key-pair.ts";
import { clockAt } from "../permits/permit-fixture.ts";
import { apply, type Op } from "./changes-fixture.ts";
import { buildUnsignedManifestV1 } from "./manifest.ts";

interface Case {
  readonly name: string;
  readonly file: string;
  readonly load_as: "signed" | "unsigned";
  readonly root: string;
  readonly ops?: readonly Op[];
  readonly raw?: string;
  readonly bundles_json_suffix?: string;
  readonly bundles_json_replace_first?: readonly [string, string];
  readonly python: { readonly ok: boolean; readonly length?: number };
}

/** Keys of a wrong length are refused when they are loaded, not when they are first used. */
const REFUSED_HERE: ReadonlySet<string> = new Set(["bundle with a 1-byte ML-DSA key (loads; fails at verify)"]);

const FOLDER = join(import.meta.dirname, "../../../../test/vectors/kavach-python");
const read = (file: string) => readFileSync(join(FOLDER, file), "utf8");
const { cases } = JSON.parse(read("manifests.json")) as { cases: Case[] };
const keyPairs = new Map<string, KavachKeyPair>(
  JSON.parse(read("keys.json")).keypairs.map((key: { name: string; secret_bytes_b64: string }) => [
    key.name,
    KavachKeyPair.fromSecretBytes(Buffer.from(key.secret_bytes_b64, "base64")),
  ]),
);
const keyOf = (name: string) => keyPairs.get(name) as KavachKeyPair;
const BUNDLES = [keyOf("alice"), keyOf("longlived")].map((keyPair) => keyPair.publicKeys());

function contentOf(one: Case): string {
  if (one.raw !== undefined) return one.raw;
  const json = JSON.parse(read(one.file));
  for (const op of one.ops ?? []) apply(json, op);
  const [from = "", to = ""] = one.bundles_json_replace_first ?? [];
  if (from !== "") json.bundles_json = json.bundles_json.replace(from, to);
  if (one.bundles_json_suffix !== undefined) json.bundles_json += one.bundles_json_suffix;
  return JSON.stringify(json);
}

async function load(signed: boolean, content: string, root: string): Promise<PublicKeyDirectory> {
  const bytes = async () => new TextEncoder().encode(content);
  const rootKey = keyOf(root).publicKeys().mlDsaVerifyingKey;
  return await PublicKeyDirectory.fromSource(
    signed ? signedManifestSourceV1(bytes, rootKey) : unsignedManifestSourceV1(bytes),
  );
}

describe("manifests of the Python package 0.1.5", () => {
  it.each(cases)("$name", async (one) => {
    const loading = load(one.load_as === "signed", contentOf(one), one.root);
    if (one.python.ok && !REFUSED_HERE.has(one.name)) {
      expect((await loading).bundles()).toHaveLength(one.python.length as number);
    } else {
      await expect(loading).rejects.toBeInstanceOf(DirectoryError);
    }
  });

  it("are as many as there were", () => {
    expect(cases).toHaveLength(22);
  });

  it("are written to the byte, but for the signature", async () => {
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    expect(text(buildUnsignedManifestV1(BUNDLES))).toBe(read("manifest.unsigned.json"));
    const signed = text(keyOf("root").buildSignedManifest(BUNDLES, { clock: clockAt(0) }));
    const upToSignature = (manifest: string) => manifest.slice(0, manifest.indexOf('"signature":['));
    expect(upToSignature(signed)).toBe(upToSignature(read("manifest.signed.json")));
    expect((await load(true, signed, "root")).bundles()).toEqual(BUNDLES);
    expect(() => keyOf("expired").buildSignedManifest(BUNDLES, { clock: clockAt(Date.parse("2026-11-25")) })).toThrow(
      expect.objectContaining({ code: "KEY_EXPIRED" }),
    );
  });

  it("are not parsed when they are dense with what is no key", async () => {
    const parse = vi.spyOn(JSON, "parse");
    const junk = "{},".repeat(100_000);
    for (const signed of [true, false]) {
      for (const text of [`[${junk}{}]`, `{"x":[${junk}{}],"bundles_json":"[]","signature":[]}`]) {
        await expect(load(signed, text, "root")).rejects.toMatchObject({ code: "Corrupt" });
      }
    }
    expect(parse).not.toHaveBeenCalled();
    parse.mockRestore();
    // A signature of millions of numbers is none.
    const long = `{"bundles_json":"[]","signature":[${"1,".repeat(2_000_000)}1]}`;
    await expect(load(true, long, "root")).rejects.toMatchObject({ code: "RootSignatureInvalid" });
  });
});
