/** Where verifiers find public keys. What it cannot vouch for it does not have. */
import type { Clock } from "@kavach/model";
import { SYSTEM_CLOCK, within } from "@kavach/system";
import { CryptoError, DirectoryError } from "../errors.ts";
import { readAtMost } from "../keys/disk.ts";
import type { PublicKeyBundle } from "../keys/public-key-bundle.ts";
import { buildUnsignedManifestV1, MANIFEST_BYTES_MAX } from "../v1/manifest.ts";
import { httpReader } from "./http.ts";
import { type KeyLookup, type KeyTable, tableOf } from "./key-table.ts";
import {
  checkedOptions,
  type DirectoryOptions,
  type HttpOptions,
  rootedSource,
  type SignedFileOptions,
} from "./options.ts";
import {
  type DirectorySource,
  type LoadedKeys,
  type SignedManifestSource,
  signedManifestSource,
  unsignedManifestSourceV1,
} from "./source.ts";

/** Milliseconds. A reading that hangs goes on being the only one: another would hang beside it. */
const REFETCH_WAIT_MS = 10_000;

/** Public keys by their names: in memory, from a file, or from a manifest that a root has signed. */
export class PublicKeyDirectory implements KeyLookup {
  #table: KeyTable;
  /** Undefined in memory. */
  readonly #source: DirectorySource | undefined;
  #loaded: LoadedKeys | undefined;
  #reloading: Promise<void> | undefined;
  readonly #clock: Clock;
  readonly #refetchMinMs: number;
  /** When a missed key may have the source read again, on the clock's monotonic side. */
  #refetchFromMs: number = Number.NEGATIVE_INFINITY;

  private constructor(
    bundles: Iterable<PublicKeyBundle>,
    source?: DirectorySource,
    loaded?: LoadedKeys,
    options: DirectoryOptions = {},
  ) {
    const { clock = SYSTEM_CLOCK, refetchMinMs = 5000 } = options;
    this.#table = tableOf(bundles);
    this.#source = source;
    this.#loaded = loaded;
    this.#clock = clock;
    this.#refetchMinMs = refetchMinMs;
  }

  /** Throws DirectoryError `Corrupt` for a damaged bundle. */
  static inMemory(bundles: Iterable<PublicKeyBundle> = []): PublicKeyDirectory {
    return new PublicKeyDirectory(bundles);
  }

  /**
   * From any source. Rejects with the source's DirectoryError, with `Corrupt` for a damaged bundle, and with CryptoError
   * `OPTION_INVALID`.
   */
  static async fromSource(source: DirectorySource, options: DirectoryOptions = {}): Promise<PublicKeyDirectory> {
    const checked = checkedOptions(options);
    const loaded = await source.load(undefined);
    return new PublicKeyDirectory(loaded.bundles, source, loaded, checked);
  }

  /** From an unsigned file of format 1: whoever can write the file decides who is trusted. Rejects as `fromSource` does. */
  static async fromFile(path: string, options: DirectoryOptions = {}): Promise<PublicKeyDirectory> {
    return await PublicKeyDirectory.fromSource(
      unsignedManifestSourceV1(() => readAtMost(path, MANIFEST_BYTES_MAX)),
      options,
    );
  }

  /**
   * From a root-signed file: of format 2 with `rootBundle`, of format 1 with `rootMlDsaVerifyingKey`. Neither reads the other. Rejects as
   * `fromSource` does.
   */
  static async fromSignedFile(path: string, options: SignedFileOptions): Promise<PublicKeyDirectory> {
    const { source, rest } = rootedSource(() => readAtMost(path, MANIFEST_BYTES_MAX), options);
    return await PublicKeyDirectory.fromSource(source, rest);
  }

  /**
   * From a root-signed manifest behind a URL, either format. A copy that some cache kept counts no longer than the manifest itself says.
   * Rejects as `fromSource` does.
   */
  static async fromHttp(url: string | URL, options: HttpOptions): Promise<PublicKeyDirectory> {
    const { timeoutMs = 10_000, ...rooted } = options ?? {};
    if (!Number.isSafeInteger(timeoutMs) || timeoutMs < 1 || timeoutMs > 600_000) {
      throw new CryptoError("OPTION_INVALID", "timeoutMs is a whole number from 1 to 600,000");
    }
    const parsed = URL.parse(String(url));
    if (parsed === null || !/^https?:$/.test(parsed.protocol)) {
      throw new CryptoError("OPTION_INVALID", "the URL begins with http:// or https://");
    }
    // The runtime reads no such URL, and its error quotes the password.
    if (parsed.username !== "" || parsed.password !== "") {
      throw new CryptoError("OPTION_INVALID", "the URL holds no name and no password");
    }
    const { source, rest } = rootedSource(httpReader(parsed, timeoutMs), rooted);
    return await PublicKeyDirectory.fromSource(source, rest);
  }

  /** The bytes of an unsigned manifest of format 1. */
  static buildUnsignedManifest(bundles: readonly PublicKeyBundle[]): Uint8Array<ArrayBuffer> {
    return buildUnsignedManifestV1(bundles);
  }

  /** From a root-signed manifest. Rejects as `fromSource` does, and with CryptoError `KEY_CORRUPT` for a root that is none. */
  static async fromSignedManifest(options: SignedManifestSource): Promise<PublicKeyDirectory> {
    const source = signedManifestSource(options);
    const { clock } = options;
    return await PublicKeyDirectory.fromSource(source, clock === undefined ? {} : { clock });
  }

  /** Version of the manifest in use; undefined where the source has none. Keep the highest one across restarts. */
  get version(): number | undefined {
    return this.#loaded?.version;
  }

  /** Bundles it has now, a lapsed manifest's included. */
  get length(): number {
    return this.#table.bundles().length;
  }

  /**
   * The bundle by its own id or by its v2 key id; whether it has expired is the caller's question. A key that is not there, or a manifest
   * that has lapsed, has the source read again, once for all who wait, and not more often than the options allow; nobody waits for that
   * longer than 10 seconds. Rejects with
   * DirectoryError: `NotFound`, and `BackendUnavailable` when the manifest has lapsed and no newer one was loaded.
   */
  async fetch(keyId: string): Promise<PublicKeyBundle> {
    const known = this.#current(keyId);
    if (known !== undefined) return known;
    const failure = await this.#refetch();
    const found = this.#current(keyId);
    if (found !== undefined) return found;
    throw this.#hasLapsed()
      ? new DirectoryError("BackendUnavailable", "the manifest has lapsed", { cause: failure })
      : new DirectoryError("NotFound", "no such key", { cause: failure });
  }

  #hasLapsed(): boolean {
    return this.#source?.hasLapsed(this.#loaded) === true;
  }

  #current(keyId: string): PublicKeyBundle | undefined {
    return this.#hasLapsed() ? undefined : this.#table.find(keyId);
  }

  /** Resolves with what went wrong. */
  async #refetch(): Promise<unknown> {
    if (this.#source === undefined) return undefined;
    const nowMs = this.#clock.monotonicMs();
    if (this.#reloading === undefined) {
      if (nowMs < this.#refetchFromMs) return undefined;
      this.#refetchFromMs = nowMs + this.#refetchMinMs;
    }
    try {
      await within(REFETCH_WAIT_MS, this.reload());
      return undefined;
    } catch (error) {
      return error;
    }
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

  /** All that `length` counts. */
  bundles(): readonly PublicKeyBundle[] {
    return this.#table.bundles();
  }

  #expectInMemory(): void {
    if (this.#source === undefined) return;
    throw new CryptoError("OPTION_INVALID", "only a directory in memory is changed key by key");
  }
}
