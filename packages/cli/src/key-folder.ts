/** The folder of a cluster's keys: what lies in it, how it is read, and that one command at a time works in it. */
import { open, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import {
  bundleFromBytes,
  CryptoError,
  DirectoryError,
  KavachKeyPair,
  KEY_FILE_BYTES_MAX,
  type PublicKeyBundle,
  readAtMost,
  readPassphraseFile,
} from "@kavach/crypto";
import { ConfigError } from "@kavach/service";
import { readable } from "./reading.ts";

export const ROOT = "root.key";
export const ROOT_PUBLIC = "root.pub";
export const PERMIT = "permit.key";
export const MANIFEST = "manifest";
export const AUDIT = "audit.key";
export const AUDIT_PUBLIC = "audit.pub";
const OWN: ReadonlySet<string> = new Set([ROOT, ROOT_PUBLIC, PERMIT, MANIFEST, AUDIT, AUDIT_PUBLIC]);
/** Public keys that the manifest holds: the one in use and those whose permits may still be about. */
const PUBLIC_FORM = /^permit-.+\.pub$/;
const LOCK = "lock";

export interface PermitPublicKey {
  readonly path: string;
  readonly bundle: PublicKeyBundle;
}

/** The first name in the folder that a new set of keys would meet. A public key from before would be vouched for like the new one. */
export async function takenIn(dir: string): Promise<string | undefined> {
  return (await readdir(dir)).find((name) => OWN.has(name) || PUBLIC_FORM.test(name));
}

/** Takes away whatever a set of keys consists of. */
export async function removeMade(dir: string): Promise<void> {
  for (let name = await takenIn(dir); name !== undefined; name = await takenIn(dir)) await rm(join(dir, name));
}

export function permitPublicFile(dir: string, { id, createdAt }: PublicKeyBundle): string {
  return join(dir, `permit-${Date.parse(createdAt)}-${id}.pub`);
}

export async function permitPublicKeysIn(dir: string): Promise<PermitPublicKey[]> {
  const names = (await readdir(dir)).filter((name) => PUBLIC_FORM.test(name));
  return await Promise.all(
    names.map(async (name) => {
      const path = join(dir, name);
      return {
        path,
        bundle: await named(path, async () => bundleFromBytes(await readAtMost(path, KEY_FILE_BYTES_MAX))),
      };
    }),
  );
}

/**
 * Two commands at once would sign two manifests of one version, and nodes that took the first refuse the second. Rejects with ConfigError
 * while another command holds the folder.
 */
export async function alone<T>(dir: string, work: () => Promise<T>): Promise<T> {
  const lock = join(dir, LOCK);
  try {
    await (await open(lock, "wx", 0o600)).close();
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const why =
      code === "EEXIST"
        ? `${lock} is there: another 'kavach keys' is at work; remove the file if one was killed`
        : `--dir: cannot write to ${dir}: ${code}`;
    throw new ConfigError(why, { cause });
  }
  try {
    return await work();
  } finally {
    await rm(lock, { force: true });
  }
}

export async function openKey(path: string, passphrase: string | undefined, option: string): Promise<KavachKeyPair> {
  const opening = passphrase === undefined ? {} : { passphrase };
  return await named(path, () => KavachKeyPair.loadFromFile(path, opening), option);
}

/** Faults name the file, and the option that would help. */
export async function named<T>(path: string, read: () => Promise<T>, option?: string): Promise<T> {
  try {
    return await read();
  } catch (cause) {
    if (!(cause instanceof CryptoError || cause instanceof DirectoryError)) throw cause;
    const advice = cause.code === "PASSPHRASE_NEEDED" ? `; give ${option}` : "";
    throw new ConfigError(`${path}: ${cause.message}${advice}`, { cause });
  }
}

export async function passphraseOf(option: string, file: string | undefined): Promise<string | undefined> {
  if (file === undefined) return undefined;
  try {
    return await readable(option, file, readPassphraseFile);
  } catch (cause) {
    if (!(cause instanceof CryptoError)) throw cause;
    throw new ConfigError(`${option}: ${file}: ${cause.message}`, { cause });
  }
}
