import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { generate } from "../permits/permit-fixture.ts";
import { KavachKeyPair } from "./key-pair.ts";

const keyPair = generate(60);
const PASSPHRASE = "größe · 払い戻し";
const ENCRYPTED = { passphrase: PASSPHRASE, workFactor: 14 } as const;
const code = (wanted: string) => expect.objectContaining({ name: "CryptoError", code: wanted });

let folder: string;
let path: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "kavach-keys-"));
  path = join(folder, "key");
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});
const textOf = async (options: object) => {
  await keyPair.saveToFile(path, options);
  return await readFile(path, "latin1");
};
const open = (text: string, passphrase?: string) =>
  KavachKeyPair.open(Buffer.from(text, "latin1"), passphrase === undefined ? {} : { passphrase });

describe("a key file", () => {
  it.each([{}, ENCRYPTED])(
    "comes back whole, for its owner alone, and leaves nothing beside it (%#)",
    async (options) => {
      await writeFile(path, "something that others may read", { mode: 0o644 });
      await keyPair.saveToFile(path, options);
      const { passphrase } = options as { passphrase?: string };
      const again = await KavachKeyPair.loadFromFile(path, passphrase === undefined ? {} : { passphrase });
      expect(again.toSecretBytes()).toEqual(keyPair.toSecretBytes());
      expect((await stat(path)).mode & 0o777).toBe(0o600);
      expect(await readdir(folder)).toEqual(["key"]);
    },
  );

  it("is one of them when several are written at once, and leaves nothing beside it", async () => {
    const pairs = Array.from({ length: 8 }, () => generate());
    await Promise.all(pairs.map((pair) => pair.saveToFile(path)));
    expect(pairs.map(({ id }) => id)).toContain((await KavachKeyPair.loadFromFile(path)).id);
    expect(await readdir(folder)).toEqual(["key"]);
  });

  it("without a passphrase is what the Python package writes and reads", async () => {
    expect(new Uint8Array(Buffer.from(await textOf({}), "latin1"))).toEqual(keyPair.toSecretBytes());
  });

  it("is text when encrypted, another at every time, and shows neither secret nor id", async () => {
    const [once, twice] = [await textOf(ENCRYPTED), await textOf(ENCRYPTED)];
    expect(once).toMatch(/^-----BEGIN KAVACH ENCRYPTED KEY-----\nKdf: scrypt ln=14 r=8 p=1 salt=/);
    expect(once).toMatch(/\n-----END KAVACH ENCRYPTED KEY-----\n$/);
    expect(once).not.toBe(twice);
    expect(once).not.toContain(keyPair.id);
    // The same letters, typed as base and accent.
    expect((await open(once, PASSPHRASE.normalize("NFD"))).id).toBe(keyPair.id);
  });

  it("opens with its passphrase alone, and says what is missing", async () => {
    const [plain, encrypted] = [await textOf({}), await textOf(ENCRYPTED)];
    await expect(open(encrypted)).rejects.toEqual(code("PASSPHRASE_NEEDED"));
    await expect(open(encrypted, "another")).rejects.toEqual(code("PASSPHRASE_WRONG"));
    await expect(open(encrypted, "")).rejects.toEqual(code("OPTION_INVALID"));
    await expect(open(plain, PASSPHRASE)).rejects.toEqual(code("OPTION_INVALID"));
    await expect(KavachKeyPair.loadFromFile(join(folder, "none"))).rejects.toMatchObject({ code: "ENOENT" });
  });

  it("opens no more when any of it was changed", async () => {
    const encrypted = await textOf(ENCRYPTED);
    const changes: [RegExp, string, string][] = [
      [/ln=14/, "ln=15", "PASSPHRASE_WRONG"],
      [/ln=14/, "ln=13", "KEY_CORRUPT"],
      [/ln=14/, "ln=21", "KEY_CORRUPT"],
      [/r=8/, "r=9", "KEY_CORRUPT"],
      [/salt=./, "salt=/", "PASSPHRASE_WRONG"],
      [/nonce=./, "nonce=/", "PASSPHRASE_WRONG"],
      [/chacha20/, "chacha8", "KEY_CORRUPT"],
      [/\n\n./, "\n\n/", "PASSPHRASE_WRONG"],
      [/\n\n/, "\n", "KEY_CORRUPT"],
      [/\n-----END.*\n/, "", "KEY_CORRUPT"],
      [/$/, "more", "KEY_CORRUPT"],
    ];
    for (const [from, to, wanted] of changes) {
      const changed = encrypted.replace(from, to);
      if (changed !== encrypted) await expect(open(changed, PASSPHRASE), to).rejects.toEqual(code(wanted));
    }
    await expect(open(`${encrypted}${" ".repeat(600_000)}`, PASSPHRASE)).rejects.toEqual(code("KEY_CORRUPT"));
  });

  it.each([{ workFactor: 13 }, { workFactor: 21 }, { workFactor: 14.5 }, { passphrase: "" }, { mode: 0 }])(
    "is not written with option %o",
    async (option) => {
      const options = { passphrase: PASSPHRASE, ...(option as object) };
      await expect(keyPair.saveToFile(join(folder, "other"), options)).rejects.toEqual(code("OPTION_INVALID"));
      expect(await readdir(folder)).toEqual(["key"]);
    },
  );
});

describe("the heap of a process that made, used, saved and loaded a key", () => {
  it("holds no text of its secrets", { timeout: 60_000 }, async () => {
    const room = JSON.stringify(join(import.meta.dirname, "../index.ts"));
    const program = `
      import { readFileSync } from "node:fs";
      import { writeHeapSnapshot } from "node:v8";
      import { KavachKeyPair, PqTokenSigner, PermitToken } from ${room};
      const path = process.argv[1];
      let control = Buffer.alloc(32, 7).toString("hex");
      async function use() {
        const keyPair = KavachKeyPair.generate();
        const id = "00000000-0000-4000-8000-000000000000";
        const token = new PermitToken({ tokenId: id, evaluationId: id, issuedAt: 0, expiresAt: 1, actionName: "a" });
        await PqTokenSigner.fromKeypairHybrid(keyPair).sign(token);
        await keyPair.saveToFile(path, { passphrase: "a long passphrase", workFactor: 14 });
        await KavachKeyPair.loadFromFile(path, { passphrase: "a long passphrase" });
        return keyPair;
      }
      const keyPair = await use();
      const snapshot = readFileSync(writeHeapSnapshot(path + ".heapsnapshot"), "latin1");
      const secrets = JSON.parse(Buffer.from(keyPair.toSecretBytes().subarray(5)).toString());
      const found = [];
      for (const name of ["ml_dsa_signing_key", "ml_kem_decapsulation_key", "ed25519_signing_key", "x25519_secret_key"]) {
        const seed = Buffer.from(secrets[name]);
        const spellings = [seed.toString("hex"), seed.toString("base64"), seed.join(","), seed.join(", ")];
        for (const text of spellings) if (snapshot.includes(text.slice(0, 40))) found.push(name);
      }
      console.log(JSON.stringify({ found, sees: snapshot.includes(control) }));`;
    const args = ["--no-warnings", "--input-type=module", "-e", program, join(folder, "heap")];
    const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 50_000 });
    expect(JSON.parse(stdout)).toEqual({ found: [], sees: true });
    for (const file of await readdir(folder)) if (file !== "key") await rm(join(folder, file));
  });
});
