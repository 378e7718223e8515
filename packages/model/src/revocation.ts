/** Revisions, revocation records, and the index a node answers from. Pure: no clock, no I/O. */
import type { InvalidationScope } from "./verdict.ts";

/** A position in the revocation log: safe integers, compared by generation, then by number. */
export interface Revision {
  readonly generation: number;
  readonly number: number;
}

/** Before every other revision. */
export const ZERO_REVISION: Revision = Object.freeze({ generation: 0, number: 0 });

/** Negative when `a` is earlier than `b`, zero when equal, positive when later. */
export function compareRevisions(a: Revision, b: Revision): number {
  return a.generation - b.generation || a.number - b.number;
}

export function laterRevision(a: Revision, b: Revision): Revision {
  return compareRevisions(a, b) >= 0 ? a : b;
}

/** One entry of the revocation log. */
export interface RevocationRecord {
  readonly revision: Revision;
  readonly realm: string;
  /** The log's clock, Unix milliseconds. */
  readonly recordedAtMs: number;
  readonly scope: InvalidationScope;
}

/** A floor voids everything born before it in its realm; an empty realm means every realm. It only rises. */
export interface RealmFloor {
  readonly realm: string;
  readonly revision: Revision;
  readonly recordedAtMs: number;
}

/** The whole state at one head. Merged, never swapped in: nothing becomes valid by it. */
export interface RevocationSnapshot {
  readonly head: Revision;
  readonly floors: readonly RealmFloor[];
  readonly marks: readonly RevocationRecord[];
}
