/** The Merkle tree of a log that only grows (RFC 9162), as the few hashes that its next root needs. */
import { CryptoError } from "./errors.ts";
import { HASH_BYTES, nodeHash } from "./permits/merkle.ts";
import { sha256 } from "./provider.ts";

export class MerkleFrontier {
  /** Roots of the complete subtrees, largest first: one for each bit of the size. */
  #subtrees: Uint8Array[] = [];
  #size: number = 0;

  /** Goes on from `size` leaves whose subtrees are `hashes`. Throws CryptoError `OPTION_INVALID` when they do not fit together. */
  static from(size: number, hashes: readonly Uint8Array[]): MerkleFrontier {
    const fits =
      Number.isSafeInteger(size) &&
      size >= 0 &&
      hashes.length === bitsOf(size) &&
      hashes.every(({ length }) => length === HASH_BYTES);
    if (!fits) throw new CryptoError("OPTION_INVALID", "not the frontier of a tree of this size");
    const frontier = new MerkleFrontier();
    frontier.#subtrees = [...hashes];
    frontier.#size = size;
    return frontier;
  }

  /** Number of leaves. */
  get size(): number {
    return this.#size;
  }

  /** What `from` takes. */
  get hashes(): readonly Uint8Array[] {
    return [...this.#subtrees];
  }

  /** `hash`: that of the leaf (RFC 9162, section 2.1.1). Throws CryptoError `OPTION_INVALID` where it is of another length. */
  append(hash: Uint8Array): void {
    if (hash.length !== HASH_BYTES) throw new CryptoError("OPTION_INVALID", "not the hash of a leaf");
    let right = hash;
    for (let rest = this.#size; rest % 2 === 1; rest = Math.floor(rest / 2)) {
      right = nodeHash(this.#subtrees.pop() as Uint8Array, right);
    }
    this.#subtrees.push(right);
    this.#size++;
  }

  /** Root of the tree, 32 bytes; of the empty one, the hash of nothing. */
  root(): Uint8Array {
    if (this.#size === 0) return sha256();
    return this.#subtrees.reduceRight((right, left) => nodeHash(left, right));
  }
}

function bitsOf(size: number): number {
  let bits = 0;
  for (let rest = size; rest > 0; rest = Math.floor(rest / 2)) bits += rest % 2;
  return bits;
}
