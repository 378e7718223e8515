/** The Merkle tree of a log that only grows (RFC 9162), as the few hashes that its next root needs. */
import { CryptoError } from "./errors.ts";
import { HASH_BYTES } from "./permits/merkle.ts";
import { sha256 } from "./provider.ts";

/** Tag, left and right of a node (RFC 9162, section 2.1.1), written anew for each: a log hashes one for every entry. */
const PAIR = new Uint8Array(1 + 2 * HASH_BYTES);
PAIR[0] = 1;

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
      right = pairHash(this.#subtrees.pop() as Uint8Array, right);
    }
    this.#subtrees.push(right);
    this.#size++;
  }

  /** Root of the tree, 32 bytes; of the empty one, the hash of nothing. */
  root(): Uint8Array {
    if (this.#size === 0) return sha256();
    return this.#subtrees.reduceRight((right, left) => pairHash(left, right));
  }
}

/** Both are hashes: `from` and `append` see to it. */
function pairHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  PAIR.set(left, 1);
  PAIR.set(right, 1 + HASH_BYTES);
  return sha256(PAIR);
}

function bitsOf(size: number): number {
  let bits = 0;
  for (let rest = size; rest > 0; rest = Math.floor(rest / 2)) bits += rest % 2;
  return bits;
}
