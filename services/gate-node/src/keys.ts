/** The keys of a node: the pair that signs permits, and the root-signed manifest that it hands out and verifies by. Both change with their files. */
import {
  buildSignedManifest,
  bundleFromBytes,
  DirectoryError,
  type DirectorySource,
  expiresAtMsOf,
  KavachKeyPair,
  keyIdOf,
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
import { openKeyPair, readKeyFile, ringOf, rotate } from "./key-files.ts";
import { KeyUses } from "./key-uses.ts";
import { type PermitFormat, type Sealing, SUITE, sealingOf } from "./sealing.ts";

export interface Keys {
  readonly signer: Sealing;
  readonly verifier: PermitVerifier;
  /** Root-signed, as it was given. */
  readonly manifest: Uint8Array;
  readonly manifestVersion: number;
  /** Key and root were made at this start and die with the process. */
  readonly ephemeral: boolean;
  /**
   * Takes the files again. Resolves with whether anything changed; rejects when they do not fit together, and then what signs stays as it
   * is. A newer manifest that holds is taken in any case: what its root no longer vouches for must not verify.
   */
  reload(): Promise<boolean>;
}

const EMBEDDED_MANIFEST_MS = 365 * 86_400_000;
const NOT_IN_MANIFEST = "manifest: this node's key is not in it; sign a manifest that holds the key, and give that";
const EXPIRES_EARLIER =
  "manifest: this node's key expires earlier in it than in the key file, and permits would outlive it; give the key that was vouched for";

/** Where keys come from: files that may change, or what was made at the start. */
interface KeySource {
  /** The key file's bytes, which are opened only when they are others than before: opening an encrypted one is dear by design. */
  readonly readKeys: () => Promise<Uint8Array>;
  readonly openKeys: (content: Uint8Array) => Promise<KavachKeyPair>;
  readonly readManifest: () => Promise<Uint8Array>;
  readonly readRoot: () => Promise<PublicKeyBundle>;
  /** Where the newest manifest that was taken is remembered across restarts. */
  readonly seen?: SeenVersion;
  /** Names the manifest in faults. */
  readonly manifestName: string;
  readonly ephemeral: boolean;
}

/** Only the embedded store makes key and root itself: a replica with a key of its own would issue permits that no other verifies. */
export async function openKeys(config: Config, clock: Clock, uses = new KeyUses()): Promise<Keys> {
  const { keys, manifest, root, passphrase_file, seen_version, permit_format } = config;
  if (keys === undefined || manifest === undefined || root === undefined) {
    if (keys !== undefined || manifest !== undefined || root !== undefined) {
      throw new ConfigError("keys, manifest and root: give all three, or none with the memory store");
    }
    return await assemble(await makeKeys(clock), permit_format, clock, uses);
  }
  const source: KeySource = {
    readKeys: () => readKeyFile("keys", keys, (content) => content),
    openKeys: (content) => openKeyPair("keys", keys, content, passphrase_file),
    readManifest: () => readKeyFile("manifest", manifest, (content) => new Uint8Array(content)),
    readRoot: () => readKeyFile("root", root, bundleFromBytes),
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
    readKeys: async () => new Uint8Array(0),
    openKeys: async () => keyPair,
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
  const open = async (content: Uint8Array) => {
    const keyPair = await source.openKeys(content);
    uses.claim("keys", keyPair.publicKeys());
    return keyPair;
  };
  let content = await source.readKeys();
  const keyPair = await open(content);
  const ring = ringOf("keys", keyPair, clock);
  // The directory says "unavailable" of any manifest it cannot read; the operator wants the file's name.
  await source.readManifest();
  const root = await source.readRoot();
  uses.claim("root", root);
  const served = servedManifest(source, root, clock);
  const directory = await PublicKeyDirectory.fromSource(served.source, { clock });
  expectInManifest(directory, keyPair, format);
  const signer = sealingOf(format, ring, clock);
  return {
    signer,
    verifier: new PermitVerifier({ directory, suite: SUITE }),
    get manifest() {
      return served.bytes();
    },
    get manifestVersion() {
      return directory.version ?? 0;
    },
    ephemeral: source.ephemeral,
    async reload() {
      const before = directory.version;
      // First the manifest: a permit under a key that no verifier knows yet would be refused everywhere.
      await directory.reload();
      const read = await source.readKeys();
      if (Buffer.compare(read, content) === 0) {
        expectInManifest(directory, ring.active, format);
        return directory.version !== before;
      }
      const next = await open(read);
      if (next.id !== ring.active.id) {
        expectInManifest(directory, next, format);
        rotate("keys", ring, next);
      }
      content = read;
      return true;
    },
  };
}

/** The directory's source, and the bytes of the manifest that the directory has taken, whoever had it read again. */
function servedManifest({ readManifest, seen, manifestName }: KeySource, rootBundle: PublicKeyBundle, clock: Clock) {
  let read: Uint8Array = new Uint8Array(0);
  let taken = read;
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
      return loaded;
    },
  };
  return { source, bytes: () => taken };
}

/** A key that the manifest does not hold, or not for as long as it signs, would sign permits that nobody can verify. */
function expectInManifest(directory: PublicKeyDirectory, keyPair: KavachKeyPair, format: PermitFormat): void {
  const own = keyPair.publicKeys();
  const keyId = keyIdOf(own, SUITE);
  const found = directory.bundles().find((bundle) => keyIdOf(bundle, SUITE) === keyId);
  // Permits of format 1 name their key by its own id, others by the id that every verifier computes.
  if (found === undefined || (format === "v1" && found.id !== own.id)) throw new ConfigError(NOT_IN_MANIFEST);
  if (expiresAtMsOf(found) < expiresAtMsOf(own)) throw new ConfigError(EXPIRES_EARLIER);
}

export interface KeyWatchOptions extends Omit<ReloadOptions, "onChange"> {
  readonly onChange: (keyId: string, manifestVersion: number) => void;
}

export function watchKeys(keys: Keys, { onChange, ...options }: KeyWatchOptions): { close(): void } {
  if (keys.ephemeral) return { close: () => {} };
  const changed = () => onChange(keys.signer.keyId, keys.manifestVersion);
  return reloadAgainAndAgain(() => keys.reload(), { ...options, onChange: changed });
}
