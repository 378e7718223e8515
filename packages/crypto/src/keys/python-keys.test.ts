import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { instantMs } from "../instant.ts";
import { KavachKeyPair } from "./key-pair.ts";
import { bundleFromBytes, bundleFromJson, bundleToBytes, bundleToJson } from "./public-key-bundle.ts";

interface PythonKey {
  readonly name: string;
  readonly id: string;
  /** Unix seconds, rounded down. */
  readonly created_at: number;
  readonly expires_at: number | null;
  readonly secret_bytes_b64: string;
  readonly public_bytes_b64: string;
  readonly public_json: string;
}
const FILE = join(import.meta.dirname, "../../../../test/vectors/kavach-python/keys.json");
const { keypairs } = JSON.parse(readFileSync(FILE, "utf8")) as { keypairs: PythonKey[] };
const bytes = (base64: string) => new Uint8Array(Buffer.from(base64, "base64"));

describe("keys of the Python package 0.1.5", () => {
  it("are six", () => {
    expect(keypairs).toHaveLength(6);
  });

  it.each(keypairs)("$name: read and written to the byte", (key) => {
    const secret = bytes(key.secret_bytes_b64);
    const keyPair = KavachKeyPair.fromSecretBytes(secret);
    expect(keyPair.toSecretBytes()).toEqual(secret);
    expect(bundleToBytes(keyPair.publicKeys())).toEqual(bytes(key.public_bytes_b64));
    expect(bundleFromBytes(bytes(key.public_bytes_b64))).toEqual(keyPair.publicKeys());
    expect(bundleFromJson(JSON.parse(key.public_json))).toEqual(keyPair.publicKeys());
    expect(JSON.stringify(bundleToJson(keyPair.publicKeys()))).toBe(key.public_json);
    expect(keyPair.id).toBe(key.id);
    const seconds = (text: string | null) => (text === null ? null : Math.floor(instantMs(text) / 1000));
    expect([seconds(keyPair.createdAt), seconds(keyPair.expiresAt)]).toEqual([key.created_at, key.expires_at]);
  });
});
