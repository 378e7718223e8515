import { KavachKeyPair } from "@kavach/crypto";
import { describe, expect, it } from "vitest";
import { openCheckpoint, readCheckpoint, signCheckpoint } from "./checkpoint.ts";
import { clock, keyPair, NOW_MS, trust } from "./log-fixture.ts";

const CHECKPOINT = {
  origin: "kavach/node-1/0194f2c0-0000-7000-8000-000000000001",
  size: 42,
  root: new Uint8Array(32).fill(7),
  atMs: NOW_MS,
  suite: "ml-dsa-65+ed25519",
} as const;
const note = await signCheckpoint(CHECKPOINT, keyPair);
const text = new TextDecoder().decode(note);
const bytes = (from: string) => new TextEncoder().encode(from);
const fails = (code: string) => expect.objectContaining({ name: "AuditLogError", code });

describe("a checkpoint", () => {
  it("is a signed note, whose text says what was signed, when, in which suite and by which key", async () => {
    const [origin, size, root, time, suite, key, blank, ...signatures] = text.trimEnd().split("\n");
    expect([origin, size, root, time, suite, blank]).toEqual([
      CHECKPOINT.origin,
      "42",
      Buffer.from(CHECKPOINT.root).toString("base64"),
      "time 2027-01-15T08:00:00.000Z",
      "suite ml-dsa-65+ed25519",
      "",
    ]);
    expect(signatures).toHaveLength(2);
    for (const line of signatures) expect(line).toMatch(`— kavach-audit/${key?.slice(4)} `);
    expect(await openCheckpoint(note, trust)).toMatchObject(CHECKPOINT);
    expect(readCheckpoint(note)).toMatchObject(CHECKPOINT);
  });

  it("with any bit flipped is believed by nobody", { timeout: 60_000 }, async () => {
    const head = text.indexOf("\n\n") + 80;
    for (let bit = 0; bit < note.length * 8; bit += bit < head * 8 ? 1 : 29) {
      const flipped = note.with(bit >> 3, (note[bit >> 3] as number) ^ (1 << (bit & 7)));
      await expect(openCheckpoint(flipped, trust), `bit ${bit}`).rejects.toMatchObject({ name: "AuditLogError" });
    }
  });

  it("is malformed when it is not spelt as one", () => {
    const changes: [string | RegExp, string][] = [
      ["\n42\n", "\n042\n"],
      ["\n42\n", "\n-1\n"],
      ["\n42\n", "\n99999999999999999\n"],
      ["time 2027-01-15", "time 2027-02-30"],
      [/\+ed25519/, "+ed448"],
      ["\nkey ", "\nkey 0"],
      ["\n\n", "\nmore\n\n"],
      [/\n$/, ""],
      ["kavach/node-1", "kavach node-1"],
      ["\n\n", "\n"],
    ];
    for (const [from, to] of changes) {
      expect(() => readCheckpoint(bytes(text.replace(from, to))), String(from)).toThrow(fails("CHECKPOINT_MALFORMED"));
    }
    expect(() => readCheckpoint(new Uint8Array(20_000))).toThrow(fails("CHECKPOINT_MALFORMED"));
  });

  it("is believed only when a trusted key signed it, in the suite, with every signature, before it expired", async () => {
    const untrusted = fails("CHECKPOINT_UNTRUSTED");
    const mallory = KavachKeyPair.generate({ clock });
    const theirs = await signCheckpoint(CHECKPOINT, mallory);
    await expect(openCheckpoint(theirs, trust)).rejects.toEqual(untrusted);
    const pq = await signCheckpoint({ ...CHECKPOINT, suite: "ml-dsa-65" }, keyPair);
    await expect(openCheckpoint(pq, trust)).rejects.toEqual(untrusted);
    expect(await openCheckpoint(pq, { ...trust, suite: "ml-dsa-65" })).toMatchObject({ size: 42 });
    await expect(openCheckpoint(note, { ...trust, suite: "ml-dsa-65" })).rejects.toEqual(untrusted);
    const lines = text.split("\n");
    const [mlDsa, ed25519] = [lines.at(-3) as string, lines.at(-2) as string];
    for (const kept of [[mlDsa], [ed25519], [ed25519, mlDsa], [mlDsa, ed25519, ed25519], [mlDsa, mlDsa]]) {
      const changed = [...lines.slice(0, -3), ...kept, ""].join("\n");
      await expect(openCheckpoint(bytes(changed), trust)).rejects.toEqual(untrusted);
    }
    const brief = KavachKeyPair.generate({ clock, expiresInSeconds: 1 });
    const late = await signCheckpoint({ ...CHECKPOINT, atMs: NOW_MS + 1000 }, brief);
    const trustBrief = { ...trust, bundles: [brief.publicKeys()] };
    await expect(openCheckpoint(late, trustBrief)).rejects.toEqual(untrusted);
    expect(await openCheckpoint(await signCheckpoint(CHECKPOINT, brief), trustBrief)).toMatchObject({ size: 42 });
  });
});
