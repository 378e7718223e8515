/** Reads files of keys. Faults name the setting and the file, and quote nothing of what is in it. */
import { readFile } from "node:fs/promises";
import { CryptoError, KavachKeyPair, KeyRing } from "@kavach/crypto";
import type { Clock } from "@kavach/model";
import { ConfigError } from "@kavach/service";

/** Rejects with ConfigError. */
export async function readKeyFile<T>(
  setting: string,
  file: string,
  read: (bytes: Uint8Array) => T | Promise<T>,
): Promise<T> {
  return await guarded(setting, file, async () => await read(await readFile(file)));
}

/** Encrypted where there is a passphrase, and only there. Rejects with ConfigError. */
export async function openKeyPair(
  setting: string,
  file: string,
  content: Uint8Array,
  passphraseFile: string | undefined,
): Promise<KavachKeyPair> {
  if (passphraseFile === undefined) return await guarded(setting, file, () => KavachKeyPair.open(content));
  const passphrase = await readKeyFile("passphrase_file", passphraseFile, (bytes) =>
    Buffer.from(bytes)
      .toString("utf8")
      .replace(/\r?\n$/, ""),
  );
  return await guarded(setting, file, () => KavachKeyPair.open(content, { passphrase }));
}

export async function readKeyPair(setting: string, file: string, passphraseFile: string | undefined) {
  return await openKeyPair(setting, file, await readKeyFile(setting, file, (bytes) => bytes), passphraseFile);
}

/** How long a key that was exchanged may go on with the signatures it is making, milliseconds. */
const RETIRE_MS = 10_000;

/** Throws ConfigError naming the setting for a key that has expired. */
export function ringOf(setting: string, active: KavachKeyPair, clock: Clock): KeyRing {
  return saying(setting, () => new KeyRing({ active, clock }));
}

/**
 * From now on `next` signs; the one before it is wiped when what it was signing is out. Throws ConfigError naming the setting for a key that
 * has expired or was exchanged a short while ago.
 */
export function rotate(setting: string, ring: KeyRing, next: KavachKeyPair): void {
  const retired = saying(setting, () => ring.rotate(next));
  setTimeout(() => retired.dispose(), RETIRE_MS).unref();
}

function saying<T>(setting: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof CryptoError)) throw error;
    throw new ConfigError(`${setting}: ${error.message}`, { cause: error });
  }
}

async function guarded<T>(setting: string, file: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    // Only codes: the text of a parser may quote the secret it could not read.
    const code = (error as NodeJS.ErrnoException).code ?? "not a file of this kind";
    throw new ConfigError(`${setting}: cannot read ${file}: ${code}`);
  }
}
