/** `kavach keys`: the keys of a cluster in one folder, and the manifest that vouches for them. The root's file can be kept off line. */
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  buildSignedManifest,
  bundleFromBytes,
  bundleToBytes,
  CryptoError,
  DirectoryError,
  expiresAtMsOf,
  KavachKeyPair,
  openSignedManifest,
  type PublicKeyBundle,
} from "@kavach/crypto";
import type { Clock } from "@kavach/model";
import { ConfigError } from "@kavach/service";
import { Command, InvalidArgumentError } from "commander";
import { readable } from "./reading.ts";

export interface KeysWorld {
  readonly clock: Clock;
  readonly print: (line: string) => void;
}

interface FolderOptions {
  readonly dir: string;
  readonly manifestDays: number;
  readonly passphraseFile?: string;
  readonly nodePassphraseFile?: string;
  readonly permitDays?: number;
  /** Of `rotate` and `manifest`. */
  readonly afterVersion?: number;
}

const DAY_MS = 86_400_000;
const DAY_SECONDS = 86_400;
const ROOT = "root.key";
const ROOT_PUBLIC = "root.pub";
const PERMIT = "permit.key";
const MANIFEST = "manifest";
const AUDIT = "audit.key";
const AUDIT_PUBLIC = "audit.pub";
const OWN: ReadonlySet<string> = new Set([ROOT, ROOT_PUBLIC, PERMIT, MANIFEST, AUDIT, AUDIT_PUBLIC]);
/** Public keys that the manifest holds: the one in use and those whose permits may still be about. */
const PUBLIC_FORM = /^permit-.+\.pub$/;

export function keysCommand(world: KeysWorld): Command {
  const inFolder = (command: Command) =>
    command
      .requiredOption("--dir <folder>", "the folder of the cluster's keys")
      .option("--manifest-days <n>", "how long the manifest holds", days, 90)
      .option("--passphrase-file <file>", `passphrase of ${ROOT}: encrypts it, or opens it`);
  const withPermitKey = (command: Command) =>
    inFolder(command)
      .option(
        "--node-passphrase-file <file>",
        `passphrase that ${PERMIT} and ${AUDIT} are encrypted with, for gate-node`,
      )
      .option("--permit-days <n>", "how long the new permit key signs (default: for ever)", days);
  const afterManifest = (command: Command) =>
    command.option(
      "--after-version <n>",
      `the newest version that was ever given out, where ${MANIFEST} is lost`,
      version,
    );
  const keys = new Command("keys").description("make, rotate and vouch for the keys that sign permits");
  withPermitKey(
    keys.command("generate").description("a root, a permit key and their manifest, and an audit key, in a new folder"),
  ).action(async (options: FolderOptions) => generate(world, options));
  afterManifest(
    withPermitKey(
      keys.command("rotate").description("a new permit key; the manifest goes on vouching for the earlier ones"),
    ),
  )
    .option("--keep <n>", "how many earlier keys the manifest keeps", count, 2)
    .action(async (options: FolderOptions & { keep: number }) => rotate(world, options));
  afterManifest(
    inFolder(keys.command("manifest").description("sign the manifest again, under the next version")),
  ).action(async (options: FolderOptions) => {
    const root = await rootOf(options);
    await sign(world, options, root, await versionIn(world, options, root));
  });
  return keys;
}

async function generate(world: KeysWorld, options: FolderOptions): Promise<void> {
  const { dir } = options;
  const passphrase = await passphraseOf("--passphrase-file", options.passphraseFile);
  const nodePassphrase = await passphraseOf("--node-passphrase-file", options.nodePassphraseFile);
  await mkdir(dir, { recursive: true, mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
    throw new ConfigError(`--dir: ${dir} is not to be made a folder: ${error.code}`, { cause: error });
  });
  // A public key that lies there from before would be vouched for like the new one.
  const taken = (await readdir(dir)).find((name) => OWN.has(name) || PUBLIC_FORM.test(name));
  if (taken !== undefined) {
    throw new ConfigError(`${join(dir, taken)} is there already; 'keys rotate' makes the next key`);
  }
  const root = KavachKeyPair.generate({ clock: world.clock });
  await root.saveToFile(join(dir, ROOT), passphrase === undefined ? {} : { passphrase });
  await replace(join(dir, ROOT_PUBLIC), bundleToBytes(root.publicKeys()));
  await newAuditKey(world, dir, nodePassphrase);
  const permit = await newPermitKey(world, options);
  await sign(world, options, root, 0);
  await takeIntoUse(dir, permit, nodePassphrase);
  const opened = nodePassphrase === undefined ? "" : ` --passphrase-file ${options.nodePassphraseFile}`;
  world.print(
    `gate-node --keys ${join(dir, PERMIT)} --manifest ${join(dir, MANIFEST)} --root ${join(dir, ROOT_PUBLIC)}${opened}`,
  );
  world.print(`for a signed audit log: --audit-dir <folder> --audit-key ${join(dir, AUDIT)}`);
  const bare = passphrase === undefined ? " It is not encrypted: --passphrase-file does that." : "";
  world.print(`Keep ${join(dir, ROOT)} off line: whoever has it can vouch for keys of their own.${bare}`);
}

/** Whatever can go wrong does so before the key that is in use is replaced, and that is the last step. */
async function rotate(world: KeysWorld, options: FolderOptions & { keep: number }): Promise<void> {
  const root = await rootOf(options);
  const before = await versionIn(world, options, root);
  const nodePassphrase = await passphraseOfNodes(options);
  const permit = await newPermitKey(world, options);
  try {
    await sign(world, options, root, before, options.keep + 1);
  } catch (error) {
    // Nobody will ever sign with it.
    await rm(publicFile(options.dir, permit));
    throw error;
  }
  const { id } = permit;
  await takeIntoUse(options.dir, permit, nodePassphrase);
  world.print(`new key ${id}; give every node the manifest first, then ${PERMIT}`);
}

/** The new key must open with what the nodes have: as the one before it does. */
async function passphraseOfNodes({ dir, nodePassphraseFile }: FolderOptions): Promise<string | undefined> {
  const path = join(dir, PERMIT);
  const passphrase = await passphraseOf("--node-passphrase-file", nodePassphraseFile);
  if (!existsSync(path)) return passphrase;
  try {
    (await openKey(path, passphrase, "--node-passphrase-file")).dispose();
  } catch (error) {
    // Not encrypted: from now on it is.
    const isBare = error instanceof ConfigError && (error.cause as CryptoError | undefined)?.code === "OPTION_INVALID";
    if (!isBare) throw error;
  }
  return passphrase;
}

/** Its public half only: nobody signs with it yet. */
async function newPermitKey(world: KeysWorld, { dir, permitDays }: FolderOptions): Promise<KavachKeyPair> {
  const expiry = permitDays === undefined ? {} : { expiresInSeconds: permitDays * DAY_SECONDS };
  const permit = KavachKeyPair.generate({ clock: world.clock, ...expiry });
  await replace(publicFile(dir, permit), bundleToBytes(permit.publicKeys()));
  return permit;
}

function publicFile(dir: string, { id, createdAt }: KavachKeyPair): string {
  return join(dir, `permit-${Date.parse(createdAt)}-${id}.pub`);
}

async function takeIntoUse(dir: string, permit: KavachKeyPair, passphrase: string | undefined): Promise<void> {
  await permit.saveToFile(join(dir, PERMIT), passphrase === undefined ? {} : { passphrase });
  permit.dispose();
}

/** A key of its own: whoever can mint permits must not be able to rewrite what was logged of them, nor the other way round. */
async function newAuditKey(world: KeysWorld, dir: string, passphrase: string | undefined): Promise<void> {
  const audit = KavachKeyPair.generate({ clock: world.clock });
  await replace(join(dir, AUDIT_PUBLIC), bundleToBytes(audit.publicKeys()));
  await audit.saveToFile(join(dir, AUDIT), passphrase === undefined ? {} : { passphrase });
  audit.dispose();
}

/** The newest `most` public keys that have not expired go into the manifest that follows version `before`. */
async function sign(
  world: KeysWorld,
  options: FolderOptions,
  root: KavachKeyPair,
  before: number,
  most = Number.POSITIVE_INFINITY,
): Promise<void> {
  const { dir, manifestDays } = options;
  const nowMs = Math.floor(world.clock.nowMs());
  const live = (await publicKeysIn(dir)).filter((bundle) => expiresAtMsOf(bundle) > nowMs);
  const newestFirst = live.toSorted((a, b) => Date.parse(b.createdAt) - Date.parse(a.createdAt));
  const bundles = newestFirst.slice(0, most);
  if (bundles.length === 0) throw new ConfigError(`${dir}: no permit key that still signs; 'keys rotate' makes one`);
  const version = before + 1;
  const expiresAtMs = nowMs + manifestDays * DAY_MS;
  await replace(join(dir, MANIFEST), await buildSignedManifest(root, { bundles, version, expiresAtMs, nowMs }));
  root.dispose();
  world.print(`manifest ${version}: ${bundles.length} key(s), holds until ${new Date(expiresAtMs).toISOString()}`);
}

async function publicKeysIn(dir: string): Promise<PublicKeyBundle[]> {
  const names = (await readdir(dir)).filter((name) => PUBLIC_FORM.test(name));
  return await Promise.all(
    names.map((name) => named(join(dir, name), async () => bundleFromBytes(await readFile(join(dir, name))))),
  );
}

/** Of the manifest in the folder. A version never goes back; a manifest that the root did not sign must not set it, nor one that is not there. */
async function versionIn(world: KeysWorld, options: FolderOptions, root: KavachKeyPair): Promise<number> {
  const { dir, afterVersion } = options;
  const path = join(dir, MANIFEST);
  if (!existsSync(path)) {
    if (afterVersion !== undefined) return afterVersion;
    throw new ConfigError(
      `${path} is not there, and nodes refuse a version they have left behind; bring it back, or say --after-version`,
    );
  }
  // Judged as of its own time: one that has lapsed still says which version it was.
  const opened = await named(path, async () =>
    openSignedManifest(await readFile(path), root.publicKeys(), { nowMs: 0, versionMin: 0 }),
  );
  if (opened.expiresAtMs < world.clock.nowMs()) world.print(`manifest ${opened.version} had lapsed`);
  return Math.max(opened.version, afterVersion ?? 0);
}

async function rootOf({ dir, passphraseFile }: FolderOptions): Promise<KavachKeyPair> {
  const path = join(dir, ROOT);
  if (!existsSync(path))
    throw new ConfigError(`${path} is not there; bring the root, or make a cluster's keys with 'keys generate'`);
  return await openKey(path, await passphraseOf("--passphrase-file", passphraseFile), "--passphrase-file");
}

async function openKey(path: string, passphrase: string | undefined, option: string): Promise<KavachKeyPair> {
  const opening = passphrase === undefined ? {} : { passphrase };
  return await named(path, () => KavachKeyPair.loadFromFile(path, opening), option);
}

/** Faults name the file, and the option that would help. */
async function named<T>(path: string, read: () => Promise<T>, option?: string): Promise<T> {
  try {
    return await read();
  } catch (cause) {
    if (!(cause instanceof CryptoError || cause instanceof DirectoryError)) throw cause;
    const advice = cause.code === "PASSPHRASE_NEEDED" ? `; give ${option}` : "";
    throw new ConfigError(`${path}: ${cause.message}${advice}`, { cause });
  }
}

async function passphraseOf(option: string, file: string | undefined): Promise<string | undefined> {
  if (file === undefined) return undefined;
  const content = await readable(option, file, (path) => readFile(path, "utf8"));
  const text = content.replace(/\r?\n$/, "");
  if (text === "") throw new ConfigError(`${option}: ${file} is empty`);
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

function version(text: string): number {
  return whole(text, Number.MAX_SAFE_INTEGER - 1, "the number of a version, from 1");
}

function whole(text: string, max: number, what: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1 || value > max) throw new InvalidArgumentError(`Give ${what}.`);
  return value;
}
