/** Merkle trees of RFC 9162: the head of a batch, the path of each leaf, and its check. */
import { equalBytes } from "../framing.ts";
import { sha256 } from "../provider.ts";

const LEAF = Uint8Array.of(0);

export const HASH_BYTES = 32;

/** What is hashed of two hashes: one, and both. Filled and read within one call. */
const PAIR = new Uint8Array(1 + 2 * HASH_BYTES).fill(1, 0, 1);

/** What precedes a leaf when it is hashed (RFC 9162, section 2.1.1): one byte, zero. */
export const LEAF_PREFIX_BYTES = 1;

/** RFC 9162, section 2.1.1. */
export function leafHash(leaf: Uint8Array): Uint8Array {
  return sha256(LEAF, leaf);
}

/** RFC 9162, section 2.1.1, of two hashes. */
export function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  PAIR.set(left, 1);
  PAIR.set(right, 1 + HASH_BYTES);
  return sha256(PAIR);
}

export interface Tree {
  readonly root: Uint8Array;
  /** Inclusion path of each leaf, from leaf to root. */
  readonly paths: readonly (readonly Uint8Array[])[];
}

/**
 * Head and every inclusion path (RFC 9162, sections 2.1.1 and 2.1.3.1) of at least one leaf, from the bottom up: a node without a
 * right neighbour rises as it is, which is the same tree as splitting at the largest power of two.
 */
export function treeOf(leaves: readonly Uint8Array[]): Tree {
  return treeOfHashes(leaves.map(leafHash));
}

/** The same, of leaves that are hashed already. */
export function treeOfHashes(leaves: readonly Uint8Array[]): Tree {
  const paths: Uint8Array[][] = leaves.map(() => []);
  let level = leaves;
  for (let height = 0; level.length > 1; height++) {
    for (let leaf = 0; leaf < leaves.length; leaf++) {
      const sibling = level[(leaf >> height) ^ 1];
      if (sibling !== undefined) paths[leaf]?.push(sibling);
    }
    const above: Uint8Array[] = [];
    for (let i = 0; i < level.length; i += 2) {
      const left = level[i] as Uint8Array;
      const right = level[i + 1];
      above.push(right === undefined ? left : nodeHash(left, right));
    }
    level = above;
  }
  return { root: level[0] as Uint8Array, paths };
}

/** RFC 9162, section 2.1.3.2. False for an index outside the tree and for a path that is too long or too short. */
export function isIncluded(
  leaf: Uint8Array,
  index: number,
  size: number,
  path: readonly Uint8Array[],
  root: Uint8Array,
): boolean {
  if (index >= size) return false;
  let position = index;
  let last = size - 1;
  let hash = leafHash(leaf);
  for (const sibling of path) {
    if (last === 0 || sibling.length !== HASH_BYTES) return false;
    if (position % 2 === 1 || position === last) {
      hash = nodeHash(sibling, hash);
      while (position % 2 === 0 && position !== 0) {
        position >>= 1;
        last >>= 1;
      }
    } else {
      hash = nodeHash(hash, sibling);
    }
    position >>= 1;
    last >>= 1;
  }
  return last === 0 && equalBytes(hash, root);
}
