import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { InvalidationRecordSchema, InvalidationScopeSchema, ResyncSchema, RevisionSchema } from "@kavach/api";
import {
  Bug,
  InputError,
  type InvalidationTarget,
  type RevocationRecord,
  type RevocationSnapshot,
} from "@kavach/model";
import { describe, expect, test } from "vitest";
import { durationFromWire, durationToWire, instantFromWire, instantToWire } from "./instants.ts";
import { revisionFromWire, revisionToWire } from "./revision.ts";
import { recordFromWire, recordToWire, snapshotFromWire, snapshotToWire } from "./revocation.ts";
import { scopeFromWire } from "./scope.ts";

const TARGETS: InvalidationTarget[] = [
  { kind: "session", principalId: "p", id: "s" },
  { kind: "session", principalId: "", id: "s" },
  { kind: "principal", id: "p" },
  { kind: "role", id: "r" },
  { kind: "realm" },
];

function record(target: InvalidationTarget, number: number): RevocationRecord {
  const scope = { target, reason: "why", evaluator: "drift" };
  return { revision: { generation: 2, number }, realm: "default", recordedAtMs: 1_800_000_000_000.125, scope };
}

describe("revocation", () => {
  test.each(TARGETS)("a record of %o survives the round trip", (target) => {
    const sent = record(target, 7);
    const bytes = toBinary(InvalidationRecordSchema, recordToWire(sent));
    expect(recordFromWire(fromBinary(InvalidationRecordSchema, bytes), "record")).toEqual(sent);
  });

  test("a snapshot survives the round trip, a floor of every realm included", () => {
    const sent: RevocationSnapshot = {
      head: { generation: 2, number: 9 },
      floors: [{ realm: "", revision: { generation: 2, number: 0 }, recordedAtMs: 5 }],
      marks: TARGETS.map((target, i) => record(target, i + 1)),
    };
    const bytes = toBinary(ResyncSchema, snapshotToWire(sent));
    expect(snapshotFromWire(fromBinary(ResyncSchema, bytes), "resync")).toEqual(sent);
  });

  test.each([
    ["revision", { realm: "r", recordedAt: {}, scope: { target: { case: "role", value: "x" } } }],
    ["realm", { revision: {}, recordedAt: {}, scope: { target: { case: "role", value: "x" } } }],
    ["recorded_at", { revision: {}, realm: "r", scope: { target: { case: "role", value: "x" } } }],
    ["scope", { revision: {}, realm: "r", recordedAt: {} }],
    ["scope", { revision: {}, realm: "r", recordedAt: {}, scope: {} }],
    ["scope.role", { revision: {}, realm: "r", recordedAt: {}, scope: { target: { case: "role", value: "" } } }],
  ] as const)("a record without its %s is refused, never read as less", (field, init) => {
    const read = () => recordFromWire(create(InvalidationRecordSchema, init), "record");
    expect(read).toThrow(InputError);
    expect(read).toThrow(`record.${field}: `);
  });

  test("a scope of an unknown arm is refused", () => {
    expect(() => scopeFromWire(create(InvalidationScopeSchema, { reason: "x" }), "scope")).toThrow(InputError);
    expect(() => scopeFromWire(undefined, "scope")).toThrow("scope: is required");
  });

  test("revisions beyond 2^53-1 are refused, not rounded", () => {
    const largest = { generation: Number.MAX_SAFE_INTEGER, number: Number.MAX_SAFE_INTEGER };
    expect(revisionFromWire(revisionToWire(largest), "from")).toEqual(largest);
    const beyond = create(RevisionSchema, { generation: 1n, number: 2n ** 53n });
    expect(() => revisionFromWire(beyond, "from")).toThrow("from.number: must be from 0 to 9007199254740991");
    for (const number of [-1, 0.5, 2 ** 53, Number.NaN]) {
      expect(() => revisionToWire({ generation: 0, number })).toThrow(Bug);
    }
  });

  test.each([0, 1.5, 999.9999, 1_800_000_000_000.001, -1, -62_135_596_800_000])(
    "the instant %d ms keeps its microseconds",
    (ms) => {
      const read = instantFromWire(instantToWire(ms), "at");
      expect(Math.abs(read - ms)).toBeLessThanOrEqual(0.0006);
    },
  );

  test("spans of time are never negative", () => {
    expect(durationFromWire(durationToWire(1234.5), "retry_after")).toBe(1234.5);
    expect(() => durationToWire(-1)).toThrow(Bug);
    expect(() => instantToWire(Number.NaN)).toThrow(Bug);
    expect(() => durationFromWire({ ...durationToWire(0), seconds: -1n }, "retry_after")).toThrow(InputError);
  });
});
