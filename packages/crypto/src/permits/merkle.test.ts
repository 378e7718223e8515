import { describe, expect, it } from "vitest";
import { sha256 } from "../provider.ts";
import { isIncluded, leafHash, treeOf } from "./merkle.ts";

const LEAVES = Array.from({ length: 512 }, (_, i) => Uint8Array.of(i >> 8, i & 0xff));
const SIZES = [...Array.from({ length: 64 }, (_, i) => i + 1), 511, 512];

/** RFC 9162, section 2.1.1, word for word: the judge of the tree that is built from the bottom up. */
function rootByDefinition(leaves: readonly Uint8Array[]): Uint8Array {
  const [only] = leaves;
  if (leaves.length === 1 && only !== undefined) return sha256(Uint8Array.of(0), only);
  let split = 1;
  while (split * 2 < leaves.length) split *= 2;
  const left = rootByDefinition(leaves.slice(0, split));
  return sha256(Uint8Array.of(1), left, rootByDefinition(leaves.slice(split)));
}

/** RFC 9162, section 2.1.3.1, word for word. */
function pathByDefinition(index: number, leaves: readonly Uint8Array[]): Uint8Array[] {
  if (leaves.length === 1) return [];
  let split = 1;
  while (split * 2 < leaves.length) split *= 2;
  const [left, right] = [leaves.slice(0, split), leaves.slice(split)];
  return index < split
    ? [...pathByDefinition(index, left), rootByDefinition(right)]
    : [...pathByDefinition(index - split, right), rootByDefinition(left)];
}

describe("RFC 9162 tree", () => {
  it.each(SIZES)("of %i leaves has the head of the definition, and its paths prove their own leaf only", (size) => {
    const leaves = LEAVES.slice(0, size);
    const { root, paths } = treeOf(leaves);
    expect(root).toEqual(rootByDefinition(leaves));
    for (const [index, leaf] of leaves.entries()) {
      const path = paths[index] ?? [];
      expect(isIncluded(leaf, index, size, path, root)).toBe(true);
      const other = (index + 1) % size;
      if (other !== index) {
        expect(isIncluded(leaf, other, size, path, root)).toBe(false);
        expect(isIncluded(leaf, index, size, paths[other] ?? [], root)).toBe(false);
        expect(isIncluded(leaves[other] as Uint8Array, index, size, path, root)).toBe(false);
      }
    }
  });

  it.each(SIZES.filter((size) => size <= 64))("of %i leaves has the paths of the definition", (size) => {
    const leaves = LEAVES.slice(0, size);
    expect(treeOf(leaves).paths).toEqual(leaves.map((_, index) => pathByDefinition(index, leaves)));
  });

  it("refuses paths that are too long, too short, or of wrong hashes, and an index outside", () => {
    const leaves = LEAVES.slice(0, 5);
    const { root, paths } = treeOf(leaves);
    const leaf = leaves[2] as Uint8Array;
    const path = paths[2] as Uint8Array[];
    expect(isIncluded(leaf, 2, 5, path, root)).toBe(true);
    expect(isIncluded(leaf, 2, 5, [...path, root], root)).toBe(false);
    expect(isIncluded(leaf, 2, 5, path.slice(0, -1), root)).toBe(false);
    expect(isIncluded(leaf, 2, 5, [path[0]?.slice(1) as Uint8Array, ...path.slice(1)], root)).toBe(false);
    expect(isIncluded(leaf, 5, 5, path, root)).toBe(false);
    expect(isIncluded(leaf, 2, 9, path, root)).toBe(false);
  });

  it("does not take an inner node for a leaf", () => {
    const leaves = LEAVES.slice(0, 4);
    const { root, paths } = treeOf(leaves);
    const inner = Uint8Array.of(...leafHash(leaves[0] as Uint8Array), ...leafHash(leaves[1] as Uint8Array));
    expect(isIncluded(inner, 0, 2, [paths[0]?.[1] as Uint8Array], root)).toBe(false);
  });
});
