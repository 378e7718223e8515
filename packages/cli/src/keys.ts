/** `kavach keys`: the keys of a cluster in one folder, and the manifest that vouches for them. The root's file can be kept off line. */
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  buildSignedManifest,
  bundleFromBytes,
  bundleToBytes,
  expiresAtMsOf,
  KavachKeyPair,
  openSignedManifest,
  type PublicKeyBundle,
} from "@kavach/crypto";
import type { Clock } from "@kavach/model";
import { ConfigError } from "@kavach/service";
import { Command, InvalidArgumentError } from "commander";

export interface KeysWorld {
  readonly clock: Clock;
  readonly print: (line: string) => void;
}

interface FolderOptions {
  readonly dir: string;
  readonly manifestDays: number;
  readonly passphraseFile?: string;
}

const DAY_MS = 86_400_000;
const DAY_SECONDS = 86_400;
const ROOT = "root.key";
const ROOT_PUBLIC = "root.pub";
const PERMIT = "permit.key";
const MANIFEST = "manifest";
const AUDIT = "audit.key";
const AUDIT_PUBLIC = "audit.pub";
/** Public keys that the manifest holds: the one in use and those whose permits may still be about. */
const PUBLIC_FORM = /^permit-.+\.pub$/;

export function keysCommand(world: KeysWorld): Command {
  const inFolder = (command: Command) =>
    command
      .requiredOption("--dir <folder>", "the folder of the cluster's keys")
      .option("--manifest-days <n>", "how long the manifest holds", days, 90)
      .option("--passphrase-file <file>", "encrypts the root's key file with this passphrase, or opens it");
  const keys = new Command("keys").description("make, rotate and vouch for the keys that sign permits");
  inFolder(
    keys.command("generate").description("a root, a permit key and their manifest, and an audit key, in a new folder"),
  )
    .option("--permit-days <n>", "how long the permit key signs (default: for ever)", days)
    .action(async (options: FolderOptions & { permitDays?: number }) => generate(world, options));
  inFolder(keys.command("rotate").description("a new permit key; the manifest goes on vouching for the earlier ones"))
    .option("--permit-days <n>", "how long the new key signs (default: for ever)", days)
    .option("--keep <n>", "how many earlier keys the manifest keeps", count, 2)
    .action(async (options: FolderOptions & { permitDays?: number; keep: number }) => rotate(world, options));
  inFolder(keys.command("manifest").description("sign the manifest again, under the next version")).action(
    async (options: FolderOptions) => sign(world, options, await rootOf(options)),
  );
  return keys;
}

async function generate(world: KeysWorld, options: FolderOptions & { permitDays?: number }): Promise<void> {
  const { dir } = options;
  await mkdir(dir, { recursive: true, mode: 0o700 });
  for (const name of [ROOT, PERMIT, MANIFEST, AUDIT]) {
    if (existsSync(join(dir, name)))
      throw new ConfigError(`${join(dir, name)} is there already; 'keys rotate' makes the next key`);
  }
  const root = KavachKeyPair.generate({ clock: world.clock });
  const passphrase = await passphraseOf(options);
  await root.saveToFile(join(dir, ROOT), passphrase === undefined ? {} : { passphrase });
  await replace(join(dir, ROOT_PUBLIC), bundleToBytes(root.publicKeys()));
  await newPermitKey(world, options);
  await newAuditKey(world, dir);
  await sign(world, options, root);
  world.print(
    `gate-node --keys ${join(dir, PERMIT)} --manifest ${join(dir, MANIFEST)} --root ${join(dir, ROOT_PUBLIC)}`,
  );
  world.print(`for a signed audit log: --audit-dir <folder> --audit-key ${join(dir, AUDIT)}`);
  world.print(`Keep ${join(dir, ROOT)} off line: whoever has it can vouch for keys of their own.`);
}

async function rotate(world: KeysWorld, options: FolderOptions & { permitDays?: number; keep: number }): Promise<void> {
  const root = await rootOf(options);
  const kept = await newPermitKey(world, options);
  await sign(world, options, root, options.keep + 1);
  world.print(`new key ${kept}; give every node the manifest first, then ${PERMIT}`);
}

async function newPermitKey(world: KeysWorld, options: FolderOptions & { permitDays?: number }): Promise<string> {
  const { dir, permitDays } = options;
  const expiry = permitDays === undefined ? {} : { expiresInSeconds: permitDays * DAY_SECONDS };
  const permit = KavachKeyPair.generate({ clock: world.clock, ...expiry });
  await replace(
    join(dir, `permit-${Date.parse(permit.createdAt)}-${permit.id}.pub`),
    bundleToBytes(permit.publicKeys()),
  );
  await permit.saveToFile(join(dir, PERMIT));
  permit.dispose();
  return permit.id;
}

/** A key of its own: whoever can mint permits must not be able to rewrite what was logged of them, nor the other way round. */
async function newAuditKey(world: KeysWorld, dir: string): Promise<void> {
  const audit = KavachKeyPair.generate({ clock: world.clock });
  await replace(join(dir, AUDIT_PUBLIC), bundleToBytes(audit.publicKeys()));
  await audit.saveToFile(join(dir, AUDIT));
  audit.dispose();
}

/** The newest `most` public keys that have not expired go into the manifest. */
async function sign(
  world: KeysWorld,
  options: FolderOptions,
  root: KavachKeyPair,
  most = Number.POSITIVE_INFINITY,
): Promise<void> {
  const { dir, manifestDays } = options;
  const nowMs = Math.floor(world.clock.nowMs());
  const live = (await publicKeysIn(dir)).filter((bundle) => expiresAtMsOf(bundle) > nowMs);
  const newestFirst = live.toSorted((a, b) => Date.parse(b.createdAt) - Date.parse(a.createdAt));
  const bundles = newestFirst.slice(0, most);
  if (bundles.length === 0) throw new ConfigError(`${dir}: no permit key that still signs; 'keys rotate' makes one`);
  const version = (await versionIn(world, dir, root)) + 1;
  const expiresAtMs = nowMs + manifestDays * DAY_MS;
  await replace(join(dir, MANIFEST), await buildSignedManifest(root, { bundles, version, expiresAtMs, nowMs }));
  root.dispose();
  world.print(`manifest ${version}: ${bundles.length} key(s), holds until ${new Date(expiresAtMs).toISOString()}`);
}

async function publicKeysIn(dir: string): Promise<PublicKeyBundle[]> {
  const names = (await readdir(dir)).filter((name) => PUBLIC_FORM.test(name));
  return await Promise.all(names.map(async (name) => bundleFromBytes(await readFile(join(dir, name)))));
}

/** A version never goes back; a manifest that the root did not sign must not set it. */
async function versionIn(world: KeysWorld, dir: string, root: KavachKeyPair): Promise<number> {
  const path = join(dir, MANIFEST);
  if (!existsSync(path)) return 0;
  // Judged as of its own time: one that has lapsed still says which version it was.
  const bytes = await readFile(path);
  const opened = await openSignedManifest(bytes, root.publicKeys(), { nowMs: 0, versionMin: 0 });
  if (opened.expiresAtMs < world.clock.nowMs()) world.print(`manifest ${opened.version} had lapsed`);
  return opened.version;
}

async function rootOf(options: FolderOptions): Promise<KavachKeyPair> {
  const path = join(options.dir, ROOT);
  if (!existsSync(path))
    throw new ConfigError(`${path} is not there; bring the root, or make a cluster's keys with 'keys generate'`);
  const passphrase = await passphraseOf(options);
  return await KavachKeyPair.loadFromFile(path, passphrase === undefined ? {} : { passphrase });
}

async function passphraseOf({ passphraseFile }: FolderOptions): Promise<string | undefined> {
  if (passphraseFile === undefined) return undefined;
  const text = (await readFile(passphraseFile, "utf8")).replace(/\r?\n$/, "");
  if (text === "") throw new ConfigError(`${passphraseFile} is empty`);
  return text;
}

/** Whole or not at all, for its owner alone until somebody says otherwise. */
async function replace(path: string, content: Uint8Array): Promise<void> {
  const draft = `${path}.new`;
  await writeFile(draft, content, { mode: 0o600 });
  await rename(draft, path);
}

function days(text: string): number {
  return whole(text, 36_500, "a number of days from 1 to 36500");
}

function count(text: string): number {
  return whole(text, 100, "a number from 1 to 100");
}

function whole(text: string, max: number, what: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1 || value > max) throw new InvalidArgumentError(`Give ${what}.`);
  return value;
}
