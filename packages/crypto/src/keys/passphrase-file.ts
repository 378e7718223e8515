/** A passphrase that lies in a file, as commands and services are given one. */
import { CryptoError } from "../errors.ts";
import { readAtMost } from "./disk.ts";

const PASSPHRASE_BYTES_MAX = 4096;
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * The text of the file without the line break at its end. Rejects with CryptoError `OPTION_INVALID` when it is empty, longer than 4 KiB, or
 * not UTF-8, for whatever is put in the place of such bytes is alike for all of them; and with whatever the file system says.
 */
export async function readPassphraseFile(path: string): Promise<string> {
  const content = await readAtMost(path, PASSPHRASE_BYTES_MAX);
  try {
    if (content.length > PASSPHRASE_BYTES_MAX) throw invalid("the file is too long for a passphrase");
    const passphrase = textOf(content).replace(/\r?\n$/, "");
    if (passphrase === "") throw invalid("the file is empty");
    return passphrase;
  } finally {
    content.fill(0);
  }
}

function textOf(content: Uint8Array): string {
  try {
    return decoder.decode(content);
  } catch {
    throw invalid("the passphrase is not UTF-8");
  }
}

const invalid = (message: string) => new CryptoError("OPTION_INVALID", message);
