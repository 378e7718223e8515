/** Revisions between wire and model. */
import { create } from "@bufbuild/protobuf";
import { RevisionSchema, type Revision as WireRevision } from "@kavach/api";
import type { Revision } from "@kavach/model";
import { safeIntegerFromWire, safeIntegerToWire } from "./integers.ts";
import { below } from "./violation.ts";

export function revisionToWire(revision: Revision): WireRevision {
  return create(RevisionSchema, {
    generation: safeIntegerToWire(revision.generation),
    number: safeIntegerToWire(revision.number),
  });
}

/** Throws `InputError` where a part is beyond 2^53-1. */
export function revisionFromWire(revision: WireRevision, path: string): Revision {
  return {
    generation: safeIntegerFromWire(revision.generation, below(path, "generation")),
    number: safeIntegerFromWire(revision.number, below(path, "number")),
  };
}
