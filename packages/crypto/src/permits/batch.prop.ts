import { LIMITS } from "@kavach/model";
import { expect, it } from "vitest";
import { PublicKeyDirectory } from "../directory/directory.ts";
import { isIncluded } from "./merkle.ts";
import { claimsOf, clockAt, expectationOf, generate, NOW_MS } from "./permit-fixture.ts";
import { PermitSigner } from "./signer.ts";
import { type DecodedToken, decodeToken } from "./token.ts";
import { PermitVerifier } from "./verifier.ts";

const SIZE_MAX = 600;
const BATCH_MAX = LIMITS.permitBatchMax;
const seed = Number(process.env.KAVACH_SEED ?? Math.floor(Math.random() * 2 ** 31));

/** A small generator whose runs can be repeated (mulberry32). */
function randomOf(start: number): (below: number) => number {
  let state = start;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

const keyPair = generate();
const clock = clockAt(NOW_MS);
const directory = PublicKeyDirectory.inMemory([keyPair.publicKeys()]);

/** The trees that this many permits which arrive together are signed under, each permit taken apart. */
async function treesOf(size: number) {
  const signer = new PermitSigner({ keyPair, clock });
  const tokens = await Promise.all(
    Array.from({ length: size }, (_, i) => signer.seal(claimsOf({ sessionId: `s-${size}` }, i))),
  );
  const permits = tokens.map((token) => ({ token, ...(decodeToken(token) as DecodedToken) }));
  return [permits.slice(0, BATCH_MAX), permits.slice(BATCH_MAX)].filter((tree) => tree.length > 0);
}
type Permit = Awaited<ReturnType<typeof treesOf>>[number][number];

/** Whether the claims of one are proven by place and path of another, under the other's head. */
const provenBy = (mine: Permit, { index, path, head }: Permit) =>
  isIncluded(mine.claims, index, head.size, path, head.root);

it(`every permit of every batch of 1 to ${SIZE_MAX} verifies alone, and with no other's path (KAVACH_SEED=${seed})`, {
  timeout: 120_000,
}, async () => {
  const random = randomOf(seed);
  const expected = expectationOf();
  const treeSizes = new Set<number>();
  let [verified, swapped] = [0, 0];
  let before: Permit | undefined;
  for (let size = 1; size <= SIZE_MAX; size++) {
    // One for each size: heads are checked once, as by whoever is handed a batch.
    const verifier = new PermitVerifier({ directory });
    for (const tree of await treesOf(size)) {
      treeSizes.add(tree.length);
      for (const [place, mine] of tree.entries()) {
        const name = `${place} of ${tree.length} in ${size}`;
        const { kind } = await verifier.verify(mine.token, expected);
        if (kind !== "valid" || mine.index !== place || mine.head.size !== tree.length) expect.fail(name);
        verified++;
        // One of its own tree, and one of the tree before.
        for (const other of [tree[(place + 1 + random(tree.length)) % tree.length] as Permit, before ?? mine]) {
          if (other === mine) continue;
          if (provenBy(mine, other)) expect.fail(`${name}, swapped`);
          swapped++;
        }
      }
      before = tree[random(tree.length)];
    }
  }
  expect(treeSizes.size).toBe(BATCH_MAX);
  expect(verified).toBe((SIZE_MAX * (SIZE_MAX + 1)) / 2);
  expect(swapped).toBeGreaterThan(verified);
});
