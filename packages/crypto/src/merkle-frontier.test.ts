import { describe, expect, it } from "vitest";
import { MerkleFrontier } from "./merkle-frontier.ts";
import { leafHash, treeOf } from "./permits/merkle.ts";
import { sha256 } from "./provider.ts";

const leaf = (i: number) => Uint8Array.of(i & 0xff, i >> 8);

describe("MerkleFrontier", () => {
  it("has the root of the whole tree at every size, and goes on from any of them", () => {
    const leaves: Uint8Array[] = [];
    const frontier = new MerkleFrontier();
    expect(frontier.root()).toEqual(sha256());
    let resumed = new MerkleFrontier();
    for (let i = 0; i < 130; i++) {
      leaves.push(leaf(i));
      frontier.append(leafHash(leaf(i)));
      resumed = MerkleFrontier.from(resumed.size, resumed.hashes);
      resumed.append(leafHash(leaf(i)));
      expect([frontier.size, frontier.root()]).toEqual([i + 1, treeOf(leaves).root]);
      expect(resumed.root()).toEqual(frontier.root());
      expect(frontier.hashes.length).toBeLessThanOrEqual(8);
    }
  });

  it("does not go on from what is no frontier", () => {
    const hash = new Uint8Array(32);
    for (const [size, hashes] of [
      [1, []],
      [2, [hash, hash]],
      [3, [hash]],
      [-1, []],
      [0.5, [hash]],
      [1, [new Uint8Array(31)]],
    ] as const) {
      expect(() => MerkleFrontier.from(size, hashes)).toThrow(expect.objectContaining({ code: "OPTION_INVALID" }));
    }
    const invalid = expect.objectContaining({ code: "OPTION_INVALID" });
    expect(() => new MerkleFrontier().append(new Uint8Array(33))).toThrow(invalid);
  });
});
