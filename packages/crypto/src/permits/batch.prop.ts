import { expect, it } from "vitest";
import { PublicKeyDirectory } from "../directory/directory.ts";
import { claimsOf, clockAt, expectationOf, generate, NOW_MS } from "./permit-fixture.ts";
import { alterToken, readToken } from "./permit-forge.ts";
import { PermitSigner } from "./signer.ts";
import { PermitVerifier } from "./verifier.ts";

const SIZE_MAX = 600;
/** How many permits of a large batch are looked at, beside those at its edges. */
const SAMPLE = 4;
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

/** Every place where trees of this size differ in shape, and some others. */
function placesIn(size: number, random: (below: number) => number): number[] {
  const edges = [0, 1, size - 2, size - 1];
  for (let power = 2; power < size; power *= 2) edges.push(power - 1, power);
  const sample = Array.from({ length: SAMPLE }, () => random(size));
  return [...new Set([...edges, ...sample])].filter((place) => place >= 0 && place < size);
}

it(`every permit of every batch of 1 to ${SIZE_MAX} verifies alone, and with no other's path (KAVACH_SEED=${seed})`, {
  timeout: 120_000,
}, async () => {
  const random = randomOf(seed);
  const keyPair = generate();
  const clock = clockAt(NOW_MS);
  const directory = PublicKeyDirectory.inMemory([keyPair.publicKeys()]);
  const expected = expectationOf();
  const batchSizes = new Set<number>();
  for (let size = 1; size <= SIZE_MAX; size++) {
    const signer = new PermitSigner({ keyPair, clock });
    const batch = await Promise.all(Array.from({ length: size }, (_, i) => signer.seal(claimsOf({}, i))));
    const verifier = new PermitVerifier({ directory });
    for (const place of placesIn(size, random)) {
      const token = batch[place] as Uint8Array;
      expect(await verifier.verify(token, expected), `${place} of ${size}`).toMatchObject({ kind: "valid" });
      const { index, path, head } = readToken(token);
      batchSizes.add(head?.size ?? 0);
      const other = readToken(batch[(place + 1 + random(size)) % size] as Uint8Array);
      if (other.index === index && other.head?.size === head?.size) continue;
      const swapped = alterToken(
        token,
        (permit) => void Object.assign(permit, { path: other.path, index: other.index }),
      );
      expect(await verifier.verify(swapped, expected), `${place} of ${size}`).toMatchObject({ kind: "invalid" });
      expect(path.length).toBeLessThanOrEqual(9);
    }
  }
  // Batches are cut at 512, and every size up to that was signed.
  expect([batchSizes.size, Math.max(...batchSizes)]).toEqual([512, 512]);
});
