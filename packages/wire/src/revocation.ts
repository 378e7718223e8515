/** Records and snapshots of the revocation log between wire and model. */
import { create } from "@bufbuild/protobuf";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import {
  InvalidationRecordSchema,
  ResyncSchema,
  type InvalidationRecord as WireRecord,
  type Resync as WireResync,
  type Revision as WireRevision,
} from "@kavach/api";
import type { Revision, RevocationRecord, RevocationSnapshot } from "@kavach/model";
import { instantFromWire, instantToWire } from "./instants.ts";
import { revisionFromWire, revisionToWire } from "./revision.ts";
import { scopeFromWire, scopeToWire } from "./scope.ts";
import { below, refuseField } from "./violation.ts";

export function recordToWire(record: RevocationRecord): WireRecord {
  return create(InvalidationRecordSchema, {
    revision: revisionToWire(record.revision),
    realm: record.realm,
    recordedAt: instantToWire(record.recordedAtMs),
    scope: scopeToWire(record.scope),
  });
}

/** Throws `InputError` for a record that is not complete: half a revocation must not be applied as none. */
export function recordFromWire(record: WireRecord, path: string): RevocationRecord {
  if (record.realm === "") refuseField(below(path, "realm"), "must not be empty");
  return {
    revision: requiredRevision(record.revision, below(path, "revision")),
    realm: record.realm,
    recordedAtMs: requiredInstant(record.recordedAt, below(path, "recorded_at")),
    scope: scopeFromWire(record.scope, below(path, "scope")),
  };
}

export function snapshotToWire(snapshot: RevocationSnapshot): WireResync {
  return create(ResyncSchema, {
    head: revisionToWire(snapshot.head),
    floors: snapshot.floors.map((floor) => ({
      realm: floor.realm,
      revision: revisionToWire(floor.revision),
      recordedAt: instantToWire(floor.recordedAtMs),
    })),
    marks: snapshot.marks.map(recordToWire),
  });
}

/** Throws `InputError` for a snapshot with any part missing. */
export function snapshotFromWire(resync: WireResync, path: string): RevocationSnapshot {
  return {
    head: requiredRevision(resync.head, below(path, "head")),
    floors: resync.floors.map((floor, i) => {
      const at = below(path, `floors[${i}]`);
      return {
        realm: floor.realm,
        revision: requiredRevision(floor.revision, below(at, "revision")),
        recordedAtMs: requiredInstant(floor.recordedAt, below(at, "recorded_at")),
      };
    }),
    marks: resync.marks.map((mark, i) => recordFromWire(mark, below(path, `marks[${i}]`))),
  };
}

/** A revision that must be there. */
export function requiredRevision(revision: WireRevision | undefined, path: string): Revision {
  return revision === undefined ? refuseField(path, "is required") : revisionFromWire(revision, path);
}

/** An instant that must be there, Unix milliseconds. */
export function requiredInstant(timestamp: Timestamp | undefined, path: string): number {
  return timestamp === undefined ? refuseField(path, "is required") : instantFromWire(timestamp, path);
}
