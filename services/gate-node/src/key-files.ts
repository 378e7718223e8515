/** Reads files of keys. Faults name the setting and the file, and quote nothing of what is in it. */
import {
  CryptoError,
  KavachKeyPair,
  KEY_FILE_BYTES_MAX,
  KeyRing,
  keyIdOf,
  readAtMost,
  readPassphraseFile,
  sha256,
} from "@kavach/crypto";
import type { Clock } from "@kavach/model";
import { ConfigError } from "@kavach/service";
import { SUITE } from "./sealing.ts";

/** No more than `bytesMax` and one byte, for `read` to refuse. Rejects with ConfigError. */
export async function readKeyFile<T>(
  setting: string,
  file: string,
  bytesMax: number,
  read: (bytes: Uint8Array) => T | Promise<T>,
): Promise<T> {
  return await guarded(setting, file, async () => await read(await readAtMost(file, bytesMax)));
}

export interface FoundKey {
  readonly keyPair: KavachKeyPair;
  /** From now on this content is the known one. */
  take(): void;
}

/** A file with a key pair that may be exchanged. Of its content only the hash is kept, for it is a secret. */
export class KeyFile {
  readonly #setting: string;
  readonly #file: string;
  readonly #passphraseFile: string | undefined;
  #known: Uint8Array = new Uint8Array(0);

  /** Encrypted where there is a passphrase, and only there. */
  constructor(setting: string, file: string, passphraseFile: string | undefined) {
    this.#setting = setting;
    this.#file = file;
    this.#passphraseFile = passphraseFile;
  }

  /** Undefined where the content is the known one: opening an encrypted file is dear by design. Rejects with ConfigError. */
  async changed(): Promise<FoundKey | undefined> {
    const content = await readKeyFile(this.#setting, this.#file, KEY_FILE_BYTES_MAX, (bytes) => bytes);
    try {
      const digest = sha256(content);
      if (Buffer.compare(digest, this.#known) === 0) return undefined;
      const keyPair = await this.#open(content);
      return {
        keyPair,
        take: () => {
          this.#known = digest;
        },
      };
    } finally {
      content.fill(0);
    }
  }

  /** Whatever was known before. Rejects with ConfigError. */
  async open(): Promise<KavachKeyPair> {
    this.#known = new Uint8Array(0);
    const { keyPair, take } = (await this.changed()) as FoundKey;
    take();
    return keyPair;
  }

  async #open(content: Uint8Array): Promise<KavachKeyPair> {
    const from = this.#passphraseFile;
    if (from === undefined) return await guarded(this.#setting, this.#file, () => KavachKeyPair.open(content));
    const passphrase = await guarded("passphrase_file", from, () => readPassphraseFile(from));
    return await guarded(this.#setting, this.#file, () => KavachKeyPair.open(content, { passphrase }));
  }
}

/** Throws ConfigError naming the setting for a key that cannot sign. */
export function ringOf(setting: string, active: KavachKeyPair, clock: Clock): KeyRing {
  return saying(setting, () => new KeyRing({ active, clock }));
}

/** How long a key that was exchanged may go on with the signatures it is making, milliseconds. */
const RETIRE_MS = 10_000;

/**
 * From now on the found key signs, where it is another and `check` does not throw; the one before it is wiped when what it was signing is
 * out. Returns whether it is another. Throws as `check` does, and ConfigError naming the setting for a key that cannot sign; the ring then
 * stays as it is.
 */
export function takeInto(
  setting: string,
  ring: KeyRing,
  { keyPair, take }: FoundKey,
  check: (keyPair: KavachKeyPair) => void,
): boolean {
  try {
    check(keyPair);
    const isOther = nameOf(keyPair) !== nameOf(ring.active);
    if (isOther) {
      const retired = saying(setting, () => ring.rotate(keyPair));
      setTimeout(() => retired.dispose(), RETIRE_MS).unref();
    } else keyPair.dispose();
    take();
    return isOther;
  } catch (error) {
    keyPair.dispose();
    throw error;
  }
}

function saying<T>(setting: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof CryptoError)) throw error;
    throw new ConfigError(`${setting}: ${error.message}`, { cause: error });
  }
}

/** An id is any text, and says nothing of the key. */
const nameOf = (keyPair: KavachKeyPair) => `${keyIdOf(keyPair.publicKeys(), SUITE)} ${keyPair.id}`;

async function guarded<T>(setting: string, file: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    throw new ConfigError(`${setting}: cannot read ${file}: ${reasonOf(error)}`);
  }
}

/** The text of a parser may quote the secret it could not read; ours never do. */
function reasonOf(error: unknown): string {
  if (!(error instanceof CryptoError)) return (error as NodeJS.ErrnoException).code ?? "not a file of this kind";
  const advice = error.code === "PASSPHRASE_NEEDED" ? "; give passphrase_file" : "";
  return `${error.code}: ${error.message}${advice}`;
}
