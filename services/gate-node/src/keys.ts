/** The keys of a node: the pair that signs permits, and the root-signed manifest that it hands out and verifies by. Both change with their files. */
import {
  buildSignedManifest,
  bundleFromBytes,
  DirectoryError,
  type DirectorySource,
  expiresAtMsOf,
  KavachKeyPair,
  KEY_FILE_BYTES_MAX,
  type LoadedKeys,
  MANIFEST_BYTES_MAX,
  PermitVerifier,
  type PublicKeyBundle,
  PublicKeyDirectory,
  type SeenVersion,
  seenVersionFile,
  signedManifestSource,
} from "@kavach/crypto";
import type { Clock } from "@kavach/model";
import { ConfigError, type ReloadOptions, reloadAgainAndAgain } from "@kavach/service";
import type { Config } from "./config.ts";
import { type FoundKey, KeyFile, readKeyFile, ringOf, takeInto } from "./key-files.ts";
import { KeyUses } from "./key-uses.ts";
import { type PermitFormat, type Sealing, SUITE, sealingOf } from "./sealing.ts";
import { onlyVouched, vouchedIn, vouchingOf } from "./vouching.ts";

export interface Keys {
  readonly signer: Sealing;
  readonly verifier: PermitVerifier;
  /** Root-signed, as it was given. */
  readonly manifest: Uint8Array;
  readonly manifestVersion: number;
  /** Unix milliseconds; from then on it vouches for nothing. */
  readonly manifestExpiresAtMs: number;
  /** Why no verifier would take what this node signs now; then it signs nothing. Undefined: all is well. */
  readonly fault: () => string | undefined;
  /** Key and root were made at this start and die with the process. */
  readonly ephemeral: boolean;
  /**
   * Takes the files again. Resolves with whether anything changed; rejects when they do not fit together, and then the key stays as it
   * is. A newer manifest that holds is taken in any case: what its root no longer vouches for must not verify.
   */
  reload(): Promise<boolean>;
}

/** Longer than any process lives: what it made for itself ends with it. */
const EMBEDDED_MANIFEST_MS = 3650 * 86_400_000;
const NOT_IN_MANIFEST = "manifest: this node's key is not in it; sign a manifest that holds the key, and give that";
const EXPIRES_EARLIER =
  "manifest: this node's key expires earlier in it than in the key file, and permits would outlive it; give the key that was vouched for";

/** Where keys come from: files that may change, or what was made at the start. */
interface KeySource {
  readonly openKeys: () => Promise<KavachKeyPair>;
  /** Undefined where they are those that were taken last. */
  readonly changedKeys: () => Promise<FoundKey | undefined>;
  readonly readManifest: () => Promise<Uint8Array>;
  readonly readRoot: () => Promise<PublicKeyBundle>;
  /** Where the newest manifest that was taken is remembered across restarts. */
  readonly seen?: SeenVersion;
  /** Names the manifest in faults. */
  readonly manifestName: string;
  readonly ephemeral: boolean;
}

/** Only the embedded store makes key and root itself: a replica with a key of its own would issue permits that no other verifies. */
export async function openKeys(config: Config, clock: Clock, uses: KeyUses = new KeyUses()): Promise<Keys> {
  const { keys, manifest, root, passphrase_file, seen_version, permit_format } = config;
  if (keys === undefined || manifest === undefined || root === undefined) {
    if (keys !== undefined || manifest !== undefined || root !== undefined) {
      throw new ConfigError("keys, manifest and root: give all three, or none with the memory store");
    }
    return await assemble(await makeKeys(clock), permit_format, clock, uses);
  }
  const keyFile = new KeyFile("keys", keys, passphrase_file);
  const source: KeySource = {
    openKeys: () => keyFile.open(),
    changedKeys: () => keyFile.changed(),
    readManifest: () => readKeyFile("manifest", manifest, MANIFEST_BYTES_MAX, (content) => content),
    readRoot: () => readKeyFile("root", root, KEY_FILE_BYTES_MAX, bundleFromBytes),
    ...(seen_version !== undefined && { seen: seenIn(seen_version) }),
    manifestName: manifest,
    ephemeral: false,
  };
  return await assemble(source, permit_format, clock, uses);
}

async function makeKeys(clock: Clock): Promise<KeySource> {
  const root = KavachKeyPair.generate({ clock });
  const keyPair = KavachKeyPair.generate({ clock });
  const nowMs = Math.floor(clock.nowMs());
  const expiresAtMs = nowMs + EMBEDDED_MANIFEST_MS;
  const manifest = await buildSignedManifest(root, { bundles: [keyPair.publicKeys()], version: 1, expiresAtMs, nowMs });
  return {
    openKeys: async () => keyPair,
    changedKeys: async () => undefined,
    readManifest: async () => manifest,
    readRoot: async () => root.publicKeys(),
    manifestName: "made at this start",
    ephemeral: true,
  };
}

/** Faults name the file, and what may be done about it: a node that forgot what it has seen would take an older manifest. */
function seenIn(file: string): SeenVersion {
  const kept = seenVersionFile(file);
  const named = (error: unknown): never => {
    if (!(error instanceof DirectoryError)) throw error;
    const code = (error.cause as NodeJS.ErrnoException | undefined)?.code;
    const why = code === undefined ? error.message : `${error.message}: ${code}`;
    const advice =
      error.code === "Corrupt"
        ? "; bring it back, or remove it when you know that the manifest given is the newest"
        : "";
    throw new DirectoryError(error.code, `seen_version: ${file}: ${why}${advice}`, { cause: error });
  };
  return { read: () => kept.read().catch(named), write: (manifest) => kept.write(manifest).catch(named) };
}

async function assemble(source: KeySource, format: PermitFormat, clock: Clock, uses: KeyUses): Promise<Keys> {
  const keyPair = await source.openKeys();
  uses.claim("keys", keyPair.publicKeys());
  // The directory says "unavailable" of any manifest it cannot read; the operator wants the file's name.
  await source.readManifest();
  const root = await source.readRoot();
  uses.claim("root", root);
  const served = servedManifest(source, root, clock);
  const directory = await PublicKeyDirectory.fromSource(served.source, { clock });
  const ring = ringOf("keys", keyPair, clock);
  expectInManifest(directory, keyPair, format);
  const fault = vouchingOf({ manifest: served.loaded, ring, format, clock });
  let toldVersion = directory.version;
  return {
    signer: onlyVouched(sealingOf(format, ring, clock), fault),
    verifier: new PermitVerifier({ directory, suite: SUITE }),
    get manifest() {
      return served.bytes();
    },
    get manifestVersion() {
      return directory.version ?? 0;
    },
    get manifestExpiresAtMs() {
      return served.loaded().expiresAtMs ?? 0;
    },
    fault,
    ephemeral: source.ephemeral,
    async reload() {
      // First the manifest: a permit under a key that no verifier knows yet would be refused everywhere.
      await directory.reload();
      const found = await source.changedKeys();
      if (found === undefined) expectInManifest(directory, ring.active, format);
      else {
        takeInto("keys", ring, found, (next) => {
          uses.claim("keys", next.publicKeys());
          expectInManifest(directory, next, format);
        });
      }
      const isNewer = directory.version !== toldVersion;
      toldVersion = directory.version;
      return isNewer || found !== undefined;
    },
  };
}

/** The directory's source, and the bytes of the manifest that the directory has taken, whoever had it read again. */
function servedManifest({ readManifest, seen, manifestName }: KeySource, rootBundle: PublicKeyBundle, clock: Clock) {
  let read: Uint8Array = new Uint8Array(0);
  let taken = read;
  let takenKeys: LoadedKeys = { bundles: [] };
  const inner = signedManifestSource({
    read: async () => {
      read = await readManifest();
      return read;
    },
    rootBundle,
    clock,
    suite: SUITE,
    ...(seen !== undefined && { seen }),
  });
  const named = (error: unknown): never => {
    // What is about another file says so already.
    if (!(error instanceof DirectoryError) || error.message.startsWith("seen_version: ")) throw error;
    throw new DirectoryError(error.code, `manifest: ${manifestName}: ${error.message}`, { cause: error });
  };
  const source: DirectorySource = {
    ...inner,
    async load(last) {
      const loaded = await inner.load(last).catch(named);
      taken = read;
      takenKeys = loaded;
      return loaded;
    },
  };
  return { source, bytes: () => taken, loaded: () => takenKeys };
}

/** A key that the manifest does not hold, or not for as long as it signs, would sign permits that nobody can verify. */
function expectInManifest(directory: PublicKeyDirectory, keyPair: KavachKeyPair, format: PermitFormat): void {
  const own = keyPair.publicKeys();
  const vouched = vouchedIn({ bundles: directory.bundles() }, own, format);
  if (vouched === undefined) throw new ConfigError(NOT_IN_MANIFEST);
  if (expiresAtMsOf(vouched) < expiresAtMsOf(own)) throw new ConfigError(EXPIRES_EARLIER);
}

export interface KeyWatchOptions extends Omit<ReloadOptions, "onChange"> {
  readonly onChange: (keyId: string, manifestVersion: number) => void;
}

export function watchKeys(keys: Keys, { onChange, ...options }: KeyWatchOptions): { close(): void } {
  if (keys.ephemeral) return { close: () => {} };
  const changed = () => onChange(keys.signer.keyId, keys.manifestVersion);
  return reloadAgainAndAgain(() => keys.reload(), { ...options, onChange: changed });
}
