/**
 * Fills a revocation index with a million marks in this process and prints memory and times as JSON: a process of its own, started with
 * `--expose-gc`, so that nothing else is in its memory. Argument: `session` or `principal`.
 */
import { randomBytes } from "@kavach/crypto";
import { RevocationIndex, type RevocationRecord, uuidFromRandom } from "@kavach/model";
import type { MarkFigures } from "./marks.ts";

const MARKS = 1_000_000;
const LOOKUPS = 1_000_000;
const kind = process.argv[2] === "principal" ? "principal" : "session";
const REALM = "default";

/** Ids as gates issue them, drawn again from their number instead of being kept. */
function principalOf(i: number): string {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, Math.imul(i, 0x9e3779b1));
  view.setUint32(8, Math.imul(i ^ 0x55555555, 0x85ebca6b));
  return uuidFromRandom(bytes);
}

function sessionOf(i: number): string {
  const hex = Math.imul(i, 0xc2b2ae35).toString(16).replace("-", "f").padStart(16, "0");
  return `${hex}${hex}.${hex}`;
}

function recordOf(i: number): RevocationRecord {
  const principalId = principalOf(i);
  const target =
    kind === "principal" ? ({ kind, id: principalId } as const) : ({ kind, principalId, id: sessionOf(i) } as const);
  const scope = { target, reason: "bench", evaluator: "bench" };
  return { revision: { generation: 1, number: i + 1 }, realm: REALM, recordedAtMs: 1_800_000_000_000 + i, scope };
}

function usedBytes(): { heap: number; rss: number } {
  globalThis.gc?.();
  globalThis.gc?.();
  const { heapUsed, external, rss } = process.memoryUsage();
  return { heap: heapUsed + external, rss };
}

function lookupsPerSecond(index: RevocationIndex, from: number, revoked: boolean): number {
  const born = { generation: 1, number: 0 };
  const batch = Array.from({ length: 1000 }, (_, i) => {
    const n = from + i * 997;
    return { realm: REALM, principalId: principalOf(n), roles: ["agent"], session: { id: sessionOf(n), born } };
  });
  let found = 0;
  const startMs = performance.now();
  for (let done = 0; done < LOOKUPS; done += batch.length) {
    for (const subject of batch) if (index.isRevoked(subject)) found += 1;
  }
  const seconds = (performance.now() - startMs) / 1000;
  if (found !== (revoked ? LOOKUPS : 0)) throw new Error(`${found} of ${LOOKUPS} look-ups found a mark`);
  return LOOKUPS / seconds;
}

// Everything compiled, and its memory taken, before the count begins.
const warm = new RevocationIndex(randomBytes);
for (let i = 0; i < 20_000; i++) warm.apply(recordOf(i));
lookupsPerSecond(warm, 2 * MARKS, false);

const before = usedBytes();
const index = new RevocationIndex(randomBytes);
let longestMs = 0;
let insertMs = 0;
for (let i = 0; i < MARKS; i++) {
  const record = recordOf(i);
  const startMs = performance.now();
  index.apply(record);
  const tookMs = performance.now() - startMs;
  insertMs += tookMs;
  if (tookMs > longestMs) longestMs = tookMs;
}
const after = usedBytes();
const figures: MarkFigures = {
  heapBytes: after.heap - before.heap,
  rssBytes: after.rss - before.rss,
  insertMs,
  longestInsertMs: longestMs,
  hitsPerSecond: lookupsPerSecond(index, 0, true),
  missesPerSecond: lookupsPerSecond(index, 2 * MARKS, false),
};
process.stdout.write(JSON.stringify(figures));
