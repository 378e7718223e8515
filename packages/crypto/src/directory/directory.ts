/** Where verifiers find public keys. What it cannot vouch for it does not have. */
import { SUITES } from "../algorithms.ts";
import { CryptoError, DirectoryError } from "../errors.ts";
import { checkedBundle, keyIdOf, type PublicKeyBundle, verifyingKeysOf } from "../keys/public-key-bundle.ts";
import { type DirectorySource, type LoadedKeys, type SignedManifestSource, signedManifestSource } from "./source.ts";

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

export class PublicKeyDirectory {
  #table: KeyTable;
  /** Undefined in memory. */
  readonly #source: DirectorySource | undefined;
  #loaded: LoadedKeys | undefined;
  #reloading: Promise<void> | undefined;

  private constructor(bundles: Iterable<PublicKeyBundle>, source?: DirectorySource, loaded?: LoadedKeys) {
    this.#table = tableOf(bundles);
    this.#source = source;
    this.#loaded = loaded;
  }

  /** Throws DirectoryError `Corrupt` for a damaged bundle. */
  static inMemory(bundles: Iterable<PublicKeyBundle> = []): PublicKeyDirectory {
    return new PublicKeyDirectory(bundles);
  }

  /** From any source. Rejects with the source's DirectoryError, and with `Corrupt` for a damaged bundle. */
  static async fromSource(source: DirectorySource): Promise<PublicKeyDirectory> {
    const loaded = await source.load(undefined);
    return new PublicKeyDirectory(loaded.bundles, source, loaded);
  }

  /** From a root-signed manifest. Rejects with DirectoryError: `BackendUnavailable`, `RootSignatureInvalid`, `Corrupt`. */
  static async fromSignedManifest(options: SignedManifestSource): Promise<PublicKeyDirectory> {
    return await PublicKeyDirectory.fromSource(signedManifestSource(options));
  }

  /** Version of the manifest in use; undefined where the source has none. Keep the highest one across restarts. */
  get version(): number | undefined {
    return this.#loaded?.version;
  }

  /**
   * The bundle by its own id or by its v2 key id; whether it has expired is the caller's question. Rejects with DirectoryError:
   * `NotFound`, and `BackendUnavailable` when the manifest has lapsed and no newer one was loaded.
   */
  async fetch(keyId: string): Promise<PublicKeyBundle> {
    if (this.#source?.hasLapsed(this.#loaded) === true) {
      throw new DirectoryError("BackendUnavailable", "the manifest has lapsed");
    }
    const bundle = this.#table.find(keyId);
    if (bundle === undefined) throw new DirectoryError("NotFound", "no such key");
    return bundle;
  }

  /** Reads the source again; calls that overlap share one reading. A failure keeps what was there. Nothing to do in memory. */
  async reload(): Promise<void> {
    const source = this.#source;
    if (source === undefined) return;
    this.#reloading ??= this.#load(source).finally(() => {
      this.#reloading = undefined;
    });
    await this.#reloading;
  }

  async #load(source: DirectorySource): Promise<void> {
    const loaded = await source.load(this.#loaded);
    this.#table = tableOf(loaded.bundles);
    this.#loaded = loaded;
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
    if (this.#source === undefined) return;
    throw new CryptoError("OPTION_INVALID", "only a directory in memory is changed key by key");
  }
}

function tableOf(bundles: Iterable<PublicKeyBundle>): KeyTable {
  const table = new KeyTable();
  for (const bundle of bundles) table.insert(bundle);
  return table;
}
