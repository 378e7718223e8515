/**
 * Signatures of every kind of signed thing in the place of those of every other, and bytes moved over the borders of fields that one
 * signature covers: the container is in order each time, so that only the signature can refuse it.
 */
import { SignedAuditChain } from "@kavach/audit";
import { sha256 } from "@kavach/crypto";
import { describe, expect, it } from "vitest";
import { bundle, channel, KINDS, type Kind } from "./kinds.ts";

interface Signatures {
  readonly mlDsa: Uint8Array;
  /** Empty where the kind has none. */
  readonly ed25519: Uint8Array;
}
interface Container {
  readonly read: (bytes: Uint8Array) => Signatures;
  readonly write: (bytes: Uint8Array, signatures: Signatures) => Uint8Array;
  /** The code by which its verifier refuses a signature. */
  readonly refusal: string;
}

const [ML_DSA_BYTES, ED25519_BYTES] = [3309, 64];
const NONE = new Uint8Array(0);
const utf8 = (text: string) => new TextEncoder().encode(text);
const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64");
const raw = (text: string) => new Uint8Array(Buffer.from(text, "base64"));

/** JSON in which signatures are arrays of byte values. */
function jsonContainer(refusal: string, mlDsa: string, ed25519?: string, finish = (text: string) => text): Container {
  const arrayOf = (text: string, name: string) => new RegExp(`"${name}":(\\[[\\d,]*\\])`).exec(text)?.[1] as string;
  return {
    read: (bytes) => ({
      mlDsa: Uint8Array.from(JSON.parse(arrayOf(textOf(bytes), mlDsa))),
      ed25519: ed25519 === undefined ? NONE : Uint8Array.from(JSON.parse(arrayOf(textOf(bytes), ed25519))),
    }),
    write(bytes, signatures) {
      let text = textOf(bytes).replace(arrayOf(textOf(bytes), mlDsa), JSON.stringify([...signatures.mlDsa]));
      if (ed25519 !== undefined) text = text.replace(arrayOf(text, ed25519), JSON.stringify([...signatures.ed25519]));
      return utf8(finish(text));
    },
    refusal,
  };
}

interface Entry {
  index: number;
  previous_hash: string;
  signed_payload: {
    data: number[];
    ml_dsa_signature: number[];
    ed25519_signature: number[];
    nonce: string;
    signed_at: string;
  };
  entry_hash: string;
}

/** The entry with its unkeyed hash recomputed, as anybody can. */
function rehashed(line: string): string {
  const entry = JSON.parse(line) as Entry;
  const { data, ml_dsa_signature, ed25519_signature, nonce, signed_at } = entry.signed_payload;
  const index = new Uint8Array(8).fill(entry.index, 0, 1);
  const signed = [data, ml_dsa_signature, ed25519_signature].map((bytes) => Uint8Array.from(bytes));
  const texts = [nonce, signed_at.replace("Z", "+00:00")].map(utf8);
  const hash = sha256(index, utf8(entry.previous_hash), ...signed, ...texts);
  return `${JSON.stringify({ ...entry, entry_hash: Buffer.from(hash).toString("hex") })}\n`;
}

const inPermit: Container = {
  // The head is the last field, and the signatures are its last: each a tag and a length before its bytes.
  read: (bytes) => ({
    mlDsa: bytes.slice(-(ED25519_BYTES + 2 + ML_DSA_BYTES), -(ED25519_BYTES + 2)),
    ed25519: bytes.slice(-ED25519_BYTES),
  }),
  write(bytes, { mlDsa, ed25519 }) {
    const changed = bytes.slice();
    changed.set(mlDsa, bytes.length - ED25519_BYTES - 2 - ML_DSA_BYTES);
    changed.set(ed25519, bytes.length - ED25519_BYTES);
    return changed;
  },
  refusal: "SIGNATURE_INVALID",
};
const inManifest: Container = {
  read(bytes) {
    const { ml_dsa_65, ed25519 } = JSON.parse(textOf(bytes)).signatures;
    return { mlDsa: raw(ml_dsa_65), ed25519: raw(ed25519) };
  },
  write(bytes, { mlDsa, ed25519 }) {
    const old = JSON.parse(textOf(bytes)).signatures;
    return utf8(textOf(bytes).replace(old.ml_dsa_65, base64(mlDsa)).replace(old.ed25519, base64(ed25519)));
  },
  refusal: "RootSignatureInvalid",
};
const KEY_HASH_BYTES = 4;
const inCheckpoint: Container = {
  read(bytes) {
    const [mlDsa, ed25519] = [...textOf(bytes).matchAll(/^— \S+ (\S+)$/gm)].map(([, line = ""]) => raw(line));
    return { mlDsa: mlDsa?.slice(KEY_HASH_BYTES) ?? NONE, ed25519: ed25519?.slice(KEY_HASH_BYTES) ?? NONE };
  },
  write(bytes, { mlDsa, ed25519 }) {
    const put = [mlDsa, ed25519];
    const lines = textOf(bytes).replace(/^(— \S+ )(\S+)$/gm, (_, name: string, line: string) => {
      const signature = Uint8Array.of(...raw(line).subarray(0, KEY_HASH_BYTES), ...(put.shift() ?? NONE));
      return name + base64(signature);
    });
    return utf8(lines);
  },
  refusal: "CHECKPOINT_UNTRUSTED",
};

const CONTAINERS: Readonly<Record<string, Container>> = {
  "permit v2": inPermit,
  "manifest v2": inManifest,
  "audit checkpoint v2": inCheckpoint,
  "permit v1": jsonContainer("SignatureInvalid", "ml_dsa_signature", "ed25519_signature"),
  "manifest v1": jsonContainer("RootSignatureInvalid", "signature"),
  "audit chain v1": jsonContainer("SIGNATURE_INVALID", "ml_dsa_signature", "ed25519_signature", rehashed),
};
const NAMES = Object.keys(CONTAINERS);
const kindOf = (name: string) => KINDS[name] as Kind;
const containerOf = (name: string) => CONTAINERS[name] as Container;

describe.each(NAMES)("a %s", (reader) => {
  it.each(NAMES.filter((name) => name !== reader))(
    "with the signatures of a %s is refused by them alone",
    async (of) => {
      const { read, write, refusal } = containerOf(reader);
      const whole = await kindOf(reader).make();
      const own = read(whole);
      await kindOf(reader).verify(write(whole, own));
      const theirs = containerOf(of).read(await kindOf(of).make());
      const both = { mlDsa: theirs.mlDsa, ed25519: theirs.ed25519.length > 0 ? theirs.ed25519 : own.ed25519 };
      // Their ML-DSA signature beside our Ed25519, and the other way round where there is one.
      const mixed = [both, { ...own, mlDsa: both.mlDsa }];
      if (own.ed25519.length > 0 && theirs.ed25519.length > 0) mixed.push({ ...own, ed25519: both.ed25519 });
      for (const signatures of mixed) {
        await expect(kindOf(reader).verify(write(whole, signatures))).rejects.toMatchObject({ code: refusal });
      }
    },
  );
});

/** What is signed of both kinds is data, nonce and time, one after the other. */
const MOVES: [string, (payload: Entry["signed_payload"]) => void][] = [
  ["the end of the data to the nonce", (p) => moveToNonce(p, 1)],
  ["all data to the nonce", (p) => moveToNonce(p, p.data.length)],
  ["the start of the nonce to the data", (p) => moveToData(p, 1)],
  ["the whole nonce to the data", (p) => moveToData(p, p.nonce.length)],
];

function moveToNonce(payload: Entry["signed_payload"], count: number): void {
  payload.nonce = textOf(Uint8Array.from(payload.data.splice(-count))) + payload.nonce;
}

function moveToData(payload: Entry["signed_payload"], count: number): void {
  payload.data.push(...utf8(payload.nonce.slice(0, count)));
  payload.nonce = payload.nonce.slice(count);
}

describe("bytes moved within what one signature of format 1 covers", () => {
  it.each(MOVES)("%s, in an entry of an audit chain", async (_, move) => {
    const line = textOf(await kindOf("audit chain v1").make());
    expect(SignedAuditChain.verifyJsonl(utf8(rehashed(line)), bundle, { hybrid: true })).toBe(1);
    const entry = JSON.parse(line) as Entry;
    move(entry.signed_payload);
    expect(() => SignedAuditChain.verifyJsonl(utf8(rehashed(JSON.stringify(entry))), bundle, { hybrid: true })).toThrow(
      expect.objectContaining({ code: "SIGNATURE_INVALID", index: 0 }),
    );
  });

  it.each(MOVES)("%s, in a message of a channel that was sealed again", async (_, move) => {
    const v1 = { compatibility: "v1" };
    const sealed = await channel(v1).sendSigned(utf8("order-1"), { contextId: "c", correlationId: "" });
    const inner = JSON.parse(textOf(channel(v1).receiveData(sealed))) as { signed_payload: Entry["signed_payload"] };
    const again = () => channel(v1).sendData(utf8(JSON.stringify(inner)));
    expect(await channel(v1).receiveSigned(again(), { expectedContextId: "c" })).toEqual(utf8("order-1"));
    move(inner.signed_payload);
    await expect(channel(v1).receiveSigned(again(), { expectedContextId: "c" })).rejects.toMatchObject({
      code: "SIGNATURE_INVALID",
    });
  });
});
