/** The worked example of docs/security/permits.md, taken apart by hand: a verifier written from the document alone. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { ED25519, ML_DSA_65 } from "../algorithms.ts";
import { bundleFromBytes } from "../keys/public-key-bundle.ts";
import { portableProvider } from "../portable.ts";

const REPO = join(import.meta.dirname, "../../../..");
const base64 = (name: string) =>
  Buffer.from(readFileSync(join(REPO, "test/vectors/artefacts", name), "latin1"), "base64");
const sha256 = (...parts: Uint8Array[]) => Buffer.from(portableProvider.sha256([Buffer.concat(parts)]));
const text = (value: string) => Buffer.from(value, "utf8");

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
const frame = (...fields: Uint8Array[]) => Buffer.concat(fields.flatMap((field) => [uint32(field.length), field]));

/** Just enough of protobuf: numbers and bytes, by field number. */
function fieldsOf(message: Buffer): Map<number, (Buffer | number)[]> {
  const fields = new Map<number, (Buffer | number)[]>();
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = message[at++] as number;
      value += (byte % 128) * scale;
      if (byte < 128) return value;
    }
  };
  while (at < message.length) {
    const tag = varint();
    const number = varint();
    const isBytes = tag % 8 === 2;
    const value = isBytes ? message.subarray(at, at + number) : number;
    if (isBytes) at += number;
    fields.set(tag >> 3, [...(fields.get(tag >> 3) ?? []), value]);
  }
  return fields;
}

it("says of the permit what it is made of, and its steps verify it", () => {
  const permit = fieldsOf(base64("permit-v2.1.b64"));
  const claims = permit.get(1)?.[0] as Buffer;
  const [sibling, above] = permit.get(3) as [Buffer, Buffer];
  const head = fieldsOf(permit.get(4)?.[0] as Buffer);
  const [suite, keyId, root] = [1, 2, 4].map((field) => head.get(field)?.[0] as Buffer) as [Buffer, Buffer, Buffer];
  const [mlDsa, ed25519] = [5, 6].map((field) => head.get(field)?.[0] as Buffer) as [Buffer, Buffer];
  const leaf = sha256(Uint8Array.of(0), claims);
  // Index 1 of 3: the sibling stands on the left, and what is above on the right.
  const pair = sha256(Uint8Array.of(1), sibling, leaf);
  const computedRoot = sha256(Uint8Array.of(1), pair, above);
  const body = frame(suite, keyId, uint32(head.get(3)?.[0] as number), computedRoot);
  const tag = text("kavach-permit-v2");
  const message = Buffer.concat([tag, uint32(body.length), body]);
  const parts: [string, Uint8Array][] = [
    ["claims", claims],
    ["params, RFC 8785", text('{"amount":250.5,"currency":"EUR"}')],
    ["params digest, in the claims", fieldsOf(claims).get(11)?.[0] as Buffer],
    ["leaf", leaf],
    ["path, first hash (left)", sibling],
    ["node over both", pair],
    ["path, second hash (right)", above],
    ["root", root],
    ["head", body],
    ["signed message", message],
    ["Ed25519 signature", ed25519],
    ["SHA-256 of the ML-DSA-65 signature (3309 bytes)", sha256(mlDsa)],
  ];
  const table = parts.map(([what, bytes]) => `| ${what} | \`${Buffer.from(bytes).toString("hex")}\` |`).join("\n");
  const document = readFileSync(join(REPO, "docs/security/permits.md"), "utf8");
  expect(
    document
      .slice(document.indexOf("| what | bytes, in hex |"))
      .split("\n")
      .slice(2, 2 + parts.length)
      .join("\n"),
  ).toBe(table);

  expect(sha256(text('{"amount":250.5,"currency":"EUR"}'))).toEqual(fieldsOf(claims).get(11)?.[0]);
  expect(computedRoot).toEqual(root);
  const { mlDsaVerifyingKey, ed25519VerifyingKey } = bundleFromBytes(base64("node.public.b64"));
  const id = sha256(frame(suite, mlDsaVerifyingKey, ed25519VerifyingKey))
    .toString("hex")
    .slice(0, 32);
  expect([keyId.toString(), String(fieldsOf(claims).get(21)?.[0])]).toEqual([id, id]);
  const keys = {
    mlDsa: portableProvider.publicKey(ML_DSA_65, mlDsaVerifyingKey),
    ed25519: portableProvider.publicKey(ED25519, ed25519VerifyingKey),
  };
  expect(portableProvider.verify(ML_DSA_65, keys.mlDsa, message, tag, mlDsa)).toBe(true);
  expect(portableProvider.verify(ED25519, keys.ed25519, message, new Uint8Array(0), ed25519)).toBe(true);
});
