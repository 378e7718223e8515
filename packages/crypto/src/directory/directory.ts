/** Where verifiers find public keys. What it cannot vouch for it does not have. */
import { CryptoError, DirectoryError } from "../errors.ts";
import type { PublicKeyBundle } from "../keys/public-key-bundle.ts";
import { type KeyLookup, type KeyTable, tableOf } from "./key-table.ts";
import { type DirectorySource, type LoadedKeys, type SignedManifestSource, signedManifestSource } from "./source.ts";

export class PublicKeyDirectory implements KeyLookup {
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
