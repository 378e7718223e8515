/** `kavach keys`: the keys of a cluster in one folder, and the manifest that vouches for them. The root's file can be kept off line. */
import { existsSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import {
  buildSignedManifest,
  bundleToBytes,
  type CryptoError,
  expiresAtMsOf,
  KavachKeyPair,
  MANIFEST_BYTES_MAX,
  openSignedManifest,
  readAtMost,
  replaceFile,
} from "@kavach/crypto";
import type { Clock } from "@kavach/model";
import { ConfigError } from "@kavach/service";
import { Command, InvalidArgumentError } from "commander";
import {
  AUDIT,
  AUDIT_PUBLIC,
  alone,
  MANIFEST,
  named,
  openKey,
  PERMIT,
  type PermitPublicKey,
  passphraseOf,
  permitPublicFile,
  permitPublicKeysIn,
  ROOT,
  ROOT_PUBLIC,
  removeMade,
  takenIn,
} from "./key-folder.ts";

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
    .option(
      "--keep <n>",
      "how many earlier keys the manifest keeps; 0: their permits stop verifying, as after a theft",
      count,
      2,
    )
    .action(async (options: FolderOptions & { keep: number }) => alone(options.dir, () => rotate(world, options)));
  afterManifest(
    inFolder(
      keys
        .command("manifest")
        .description("sign the manifest again, under the next version, over every permit-….pub of the folder"),
    ),
  ).action(async (options: FolderOptions) =>
    alone(options.dir, async () => {
      const root = await rootOf(options);
      await sign(world, options, root, await versionIn(world, options, root));
    }),
  );
  return keys;
}

async function generate(world: KeysWorld, options: FolderOptions): Promise<void> {
  const { dir } = options;
  const passphrase = await passphraseOf("--passphrase-file", options.passphraseFile);
  const nodePassphrase = await passphraseOf("--node-passphrase-file", options.nodePassphraseFile);
  await mkdir(dir, { recursive: true, mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
    throw new ConfigError(`--dir: ${dir} is not to be made a folder: ${error.code}`, { cause: error });
  });
  await alone(dir, () => makeAll(world, options, { passphrase, nodePassphrase }));
}

interface Passphrases {
  readonly passphrase: string | undefined;
  readonly nodePassphrase: string | undefined;
}

async function makeAll(world: KeysWorld, options: FolderOptions, passphrases: Passphrases): Promise<void> {
  const { dir } = options;
  const taken = await takenIn(dir);
  if (taken !== undefined) {
    throw new ConfigError(`${join(dir, taken)} is there already; 'keys rotate' makes the next key`);
  }
  try {
    await makeKeys(world, options, passphrases);
  } catch (error) {
    // A part of a set is of no use, and would be in the way of the next attempt.
    await removeMade(dir);
    throw error;
  }
}

async function makeKeys(
  world: KeysWorld,
  options: FolderOptions,
  { passphrase, nodePassphrase }: Passphrases,
): Promise<void> {
  const { dir } = options;
  const root = KavachKeyPair.generate({ clock: world.clock });
  await root.saveToFile(join(dir, ROOT), passphrase === undefined ? {} : { passphrase });
  await replaceFile(join(dir, ROOT_PUBLIC), bundleToBytes(root.publicKeys()));
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
    await sign(world, options, root, before, { newest: permit.id, keep: options.keep });
  } catch (error) {
    // Nobody will ever sign with it.
    await rm(permitPublicFile(options.dir, permit.publicKeys()));
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
  await replaceFile(permitPublicFile(dir, permit.publicKeys()), bundleToBytes(permit.publicKeys()));
  return permit;
}

async function takeIntoUse(dir: string, permit: KavachKeyPair, passphrase: string | undefined): Promise<void> {
  await permit.saveToFile(join(dir, PERMIT), passphrase === undefined ? {} : { passphrase });
  permit.dispose();
}

/** A key of its own: whoever can mint permits must not be able to rewrite what was logged of them, nor the other way round. */
async function newAuditKey(world: KeysWorld, dir: string, passphrase: string | undefined): Promise<void> {
  const audit = KavachKeyPair.generate({ clock: world.clock });
  await replaceFile(join(dir, AUDIT_PUBLIC), bundleToBytes(audit.publicKeys()));
  await audit.saveToFile(join(dir, AUDIT), passphrase === undefined ? {} : { passphrase });
  audit.dispose();
}

interface Kept {
  /** Id of the key that comes first, whatever the clock said when the others were made. */
  readonly newest: string;
  /** How many of those before it stay. */
  readonly keep: number;
}

/** The public keys that have not expired go into the manifest that follows version `before`: all of them, or those that are kept. */
async function sign(
  world: KeysWorld,
  options: FolderOptions,
  root: KavachKeyPair,
  before: number,
  kept?: Kept,
): Promise<void> {
  const { dir, manifestDays } = options;
  const nowMs = Math.floor(world.clock.nowMs());
  const live = (await permitPublicKeysIn(dir)).filter(({ bundle }) => expiresAtMsOf(bundle) > nowMs);
  const newestFirst = live.toSorted((a, b) => ageRank(b, kept) - ageRank(a, kept));
  const most = kept === undefined ? live.length : kept.keep + 1;
  const bundles = newestFirst.slice(0, most).map(({ bundle }) => bundle);
  if (bundles.length === 0) throw new ConfigError(`${dir}: no permit key that still signs; 'keys rotate' makes one`);
  const version = before + 1;
  const expiresAtMs = nowMs + manifestDays * DAY_MS;
  await replaceFile(join(dir, MANIFEST), await buildSignedManifest(root, { bundles, version, expiresAtMs, nowMs }));
  root.dispose();
  world.print(`manifest ${version}: ${bundles.length} key(s), holds until ${new Date(expiresAtMs).toISOString()}`);
  // What lies in the folder is vouched for when the manifest is signed the next time: a key that was dropped must not come back by that.
  for (const { path, bundle } of newestFirst.slice(most)) {
    await rm(path);
    world.print(`dropped ${bundle.id}: its permits stop verifying where this manifest arrives`);
  }
}

function ageRank({ bundle }: PermitPublicKey, kept: Kept | undefined): number {
  return bundle.id === kept?.newest ? Number.POSITIVE_INFINITY : Date.parse(bundle.createdAt);
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
    openSignedManifest(await readAtMost(path, MANIFEST_BYTES_MAX), root.publicKeys(), { nowMs: 0, versionMin: 0 }),
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

function days(text: string): number {
  return whole(text, 36_500, "a number of days from 1 to 36500");
}

function count(text: string): number {
  return whole(text, 100, "a number from 0 to 100", 0);
}

function version(text: string): number {
  return whole(text, Number.MAX_SAFE_INTEGER - 1, "the number of a version, from 1");
}

function whole(text: string, max: number, what: string, min = 1): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value) || value < min || value > max) throw new InvalidArgumentError(`Give ${what}.`);
  return value;
}
