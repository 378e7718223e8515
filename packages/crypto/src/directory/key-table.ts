/** Public keys by all their names. */
import { SUITES } from "../algorithms.ts";
import { DirectoryError } from "../errors.ts";
import { checkedBundle, keyIdOf, type PublicKeyBundle, verifyingKeysOf } from "../keys/public-key-bundle.ts";

/** Where a verifier asks for keys. */
export interface KeyLookup {
  /** By a bundle's own id or its v2 key id. Rejects with DirectoryError. */
  fetch(keyId: string): Promise<PublicKeyBundle>;
}

/** Bundles by their own id and by their v2 key id in every suite. */
export class KeyTable {
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
      if (this.#byKeyId.get(keyId) !== bundle) continue;
      // Another bundle may hold the same keys under another id, and is then found by them again.
      const twin = this.bundles().find((other) => keyIdOf(other, suite) === keyId);
      if (twin === undefined) this.#byKeyId.delete(keyId);
      else this.#byKeyId.set(keyId, twin);
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

/** Throws DirectoryError `Corrupt`. */
export function tableOf(bundles: Iterable<PublicKeyBundle>): KeyTable {
  if (typeof Object(bundles)[Symbol.iterator] !== "function") {
    throw new DirectoryError("Corrupt", "not a list of bundles");
  }
  const table = new KeyTable();
  for (const bundle of bundles) table.insert(bundle);
  return table;
}
