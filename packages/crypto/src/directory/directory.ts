/** Where verifiers find public keys. What it cannot vouch for it does not have. */
import type { Clock } from "@kavach/model";
import { HYBRID_SUITE, SUITES, type Suite } from "../algorithms.ts";
import { CryptoError, DirectoryError } from "../errors.ts";
import { checkedBundle, keyIdOf, type PublicKeyBundle, verifyingKeysOf } from "../keys/public-key-bundle.ts";
import { type Manifest, openSignedManifest } from "./manifest.ts";

export interface SignedManifestSource {
  /** Reads the manifest's bytes from wherever they are. */
  readonly read: () => Promise<Uint8Array>;
  /** The root's public keys, from outside the manifest. */
  readonly rootBundle: PublicKeyBundle;
  readonly clock: Clock;
  /** The root's suite. Default: hybrid. */
  readonly suite?: Suite;
  /** Highest version this verifier ever saw; an older one is refused. Default 0. */
  readonly versionMin?: number;
}

/** Bundles by their own id and by their v2 key id in every suite. */
class KeyTable {
  readonly #byId = new Map<string, PublicKeyBundle>();
  readonly #byKeyId = new Map<string, PublicKeyBundle>();

  /** Throws DirectoryError `Corrupt`. A bundle of the same id is replaced. */
  insert(bundle: PublicKeyBundle): void {
    const checked = checkedForDirectory(bundle);
    this.remove(checked.id);
    this.#byId.set(checked.id, checked);
    for (const suite of SUITES) this.#byKeyId.set(keyIdOf(checked, suite), checked);
  }

  remove(id: string): boolean {
    const bundle = this.#byId.get(id);
    if (bundle === undefined) return false;
    this.#byId.delete(id);
    for (const suite of SUITES) {
      const keyId = keyIdOf(bundle, suite);
      // Another bundle may hold the same keys under another id.
      if (this.#byKeyId.get(keyId) === bundle) this.#byKeyId.delete(keyId);
    }
    return true;
  }

  /** A computed id wins over a stated one: a bundle cannot call itself by another's key id. */
  find(keyId: string): PublicKeyBundle | undefined {
    return this.#byKeyId.get(keyId) ?? this.#byId.get(keyId);
  }

  bundles(): PublicKeyBundle[] {
    return [...this.#byId.values()];
  }
}

function checkedForDirectory(bundle: PublicKeyBundle): PublicKeyBundle {
  try {
    const checked = checkedBundle(bundle);
    verifyingKeysOf(checked);
    return checked;
  } catch (cause) {
    throw new DirectoryError("Corrupt", "a bundle in the directory is damaged", { cause });
  }
}

interface SignedState {
  readonly source: SignedManifestSource;
  manifest: Manifest;
  reloading: Promise<void> | undefined;
}

export class PublicKeyDirectory {
  #table: KeyTable;
  readonly #signed: SignedState | undefined;

  private constructor(table: KeyTable, signed: SignedState | undefined) {
    this.#table = table;
    this.#signed = signed;
  }

  /** Throws DirectoryError `Corrupt` for a damaged bundle. */
  static inMemory(bundles: Iterable<PublicKeyBundle> = []): PublicKeyDirectory {
    return new PublicKeyDirectory(tableOf(bundles), undefined);
  }

  /** From a root-signed manifest. Rejects with DirectoryError: `BackendUnavailable`, `RootSignatureInvalid`, `Corrupt`. */
  static async fromSignedManifest(source: SignedManifestSource): Promise<PublicKeyDirectory> {
    const manifest = await readManifest(source, source.versionMin ?? 0);
    return new PublicKeyDirectory(tableOf(manifest.bundles), { source, manifest, reloading: undefined });
  }

  /** Version of the manifest in use; undefined in memory. Keep the highest one across restarts. */
  get version(): number | undefined {
    return this.#signed?.manifest.version;
  }

  /**
   * The bundle by its own id or by its v2 key id; whether it has expired is the caller's question. Rejects with DirectoryError:
   * `NotFound`, and `BackendUnavailable` when the manifest has lapsed and no newer one was loaded.
   */
  async fetch(keyId: string): Promise<PublicKeyBundle> {
    if (this.#signed !== undefined && !(this.#signed.source.clock.nowMs() < this.#signed.manifest.expiresAtMs)) {
      throw new DirectoryError("BackendUnavailable", "the manifest has lapsed");
    }
    const bundle = this.#table.find(keyId);
    if (bundle === undefined) throw new DirectoryError("NotFound", "no such key");
    return bundle;
  }

  /** Reads the source again; calls that overlap share one reading. A failure keeps what was there. Nothing to do in memory. */
  async reload(): Promise<void> {
    const signed = this.#signed;
    if (signed === undefined) return;
    signed.reloading ??= this.#load(signed).finally(() => {
      signed.reloading = undefined;
    });
    await signed.reloading;
  }

  async #load(signed: SignedState): Promise<void> {
    const manifest = await readManifest(signed.source, signed.manifest.version);
    if (manifest.version === signed.manifest.version && manifest.digest !== signed.manifest.digest) {
      throw new DirectoryError("RootSignatureInvalid", "two manifests of one version");
    }
    const table = tableOf(manifest.bundles);
    this.#table = table;
    signed.manifest = manifest;
  }

  /** In memory only; otherwise throws CryptoError `OPTION_INVALID`. Throws DirectoryError `Corrupt` for a damaged bundle. */
  insert(bundle: PublicKeyBundle): void {
    this.#expectInMemory();
    this.#table.insert(bundle);
  }

  /** By the bundle's own id; false when there is none. In memory only; otherwise throws CryptoError `OPTION_INVALID`. */
  remove(id: string): boolean {
    this.#expectInMemory();
    return this.#table.remove(id);
  }

  bundles(): readonly PublicKeyBundle[] {
    return this.#table.bundles();
  }

  #expectInMemory(): void {
    if (this.#signed === undefined) return;
    throw new CryptoError("OPTION_INVALID", "a signed directory changes only by a new manifest");
  }
}

function tableOf(bundles: Iterable<PublicKeyBundle>): KeyTable {
  const table = new KeyTable();
  for (const bundle of bundles) table.insert(bundle);
  return table;
}

async function readManifest(source: SignedManifestSource, versionMin: number): Promise<Manifest> {
  let bytes: Uint8Array;
  try {
    bytes = await source.read();
  } catch (cause) {
    throw new DirectoryError("BackendUnavailable", "the manifest could not be read", { cause });
  }
  const { rootBundle, clock, suite = HYBRID_SUITE } = source;
  return await openSignedManifest(bytes, rootBundle, { nowMs: clock.nowMs(), versionMin, suite });
}
