/** The index against the table of marks, and its law: nothing becomes valid by an apply or a merge. */
import { describe, expect, it } from "vitest";
import type { Revision, RevocationRecord } from "./revocation.ts";
import { RevocationIndex, type RevocationSubject } from "./revocation-index.ts";
import type { InvalidationScope, InvalidationTarget } from "./verdict.ts";

const AT_MS = 1_000_000;
const rev = (generation: number, number: number): Revision => ({ generation, number });
const scopeOf = (target: InvalidationTarget, reason = "r"): InvalidationScope => ({ target, reason, evaluator: "e" });
const record = (target: InvalidationTarget, revision = rev(2, 5), realm = "default"): RevocationRecord => ({
  revision,
  realm,
  recordedAtMs: AT_MS,
  scope: scopeOf(target),
});

const SESSION: InvalidationTarget = { kind: "session", principalId: "p", id: "s" };
const ANY_SESSION: InvalidationTarget = { kind: "session", principalId: "", id: "s" };
const PRINCIPAL: InvalidationTarget = { kind: "principal", id: "p" };
const ROLE: InvalidationTarget = { kind: "role", id: "admin" };
const REALM: InvalidationTarget = { kind: "realm" };

type Who = Partial<RevocationSubject>;
const who = (more: Who = {}): RevocationSubject => ({ realm: "default", principalId: "p", roles: ["admin"], ...more });
const born = (revision: Revision): Who => ({ session: { id: "s", born: revision } });
const inline = (startedAtMs: number): Who => ({ session: { id: "s", startedAtMs } });

/** target, subject, revoked, by which rule. All marks stand at revision 2.5. */
const TABLE: readonly (readonly [InvalidationTarget, Who, boolean, string])[] = [
  [SESSION, born(rev(2, 4)), true, "a session mark voids the session born before it"],
  [SESSION, born(rev(9, 9)), true, "and whenever born"],
  [SESSION, inline(AT_MS + 60_000), true, "inline ones too"],
  [SESSION, { session: { id: "s" }, permitRevision: rev(9, 9) }, true, "and permits that name it"],
  [SESSION, { principalId: "q", ...born(rev(2, 4)) }, false, "not another principal's session of that name"],
  [SESSION, { session: { id: "t", born: rev(2, 4) } }, false, "not another session"],
  [SESSION, {}, false, "not who names no session"],
  [ANY_SESSION, { principalId: "q", ...born(rev(9, 9)) }, true, "without a principal: every principal's"],
  [PRINCIPAL, born(rev(2, 4)), true, "a principal mark voids what was born before it"],
  [PRINCIPAL, born(rev(1, 99)), true, "an earlier generation is before"],
  [PRINCIPAL, born(rev(2, 5)), false, "not what was born at it"],
  [PRINCIPAL, born(rev(3, 0)), false, "nor after it"],
  [PRINCIPAL, {}, true, "who names no session is refused while it stands"],
  [PRINCIPAL, inline(AT_MS), true, "inline: by instant"],
  [PRINCIPAL, inline(AT_MS + 2000), true, "up to two seconds later"],
  [PRINCIPAL, inline(AT_MS + 2001), false, "and no more"],
  [PRINCIPAL, inline(Number.NaN), true, "an instant that is no number is void"],
  [PRINCIPAL, { session: { id: "s" } }, true, "a session that does not say when it was born is void"],
  [PRINCIPAL, { permitRevision: rev(2, 4) }, true, "a permit issued before it"],
  [PRINCIPAL, { permitRevision: rev(2, 5) }, false, "not a permit issued at it"],
  [PRINCIPAL, { ...born(rev(2, 4)), permitRevision: rev(2, 5) }, true, "either of the two is enough"],
  [PRINCIPAL, { principalId: "q" }, false, "nobody else"],
  [ROLE, born(rev(2, 4)), true, "a role mark, alike"],
  [ROLE, { roles: ["x", "admin"] }, true, "whichever role it is"],
  [ROLE, born(rev(2, 5)), false, "not what was born at it"],
  [ROLE, { roles: ["Admin"] }, false, "not another role"],
  [REALM, born(rev(2, 4)), true, "a floor voids what was born before it"],
  [REALM, born(rev(2, 5)), false, "not what was born at it"],
  [REALM, inline(AT_MS + 2000), true, "inline: by instant"],
  [REALM, inline(AT_MS + 2001), false, "and no more"],
  [REALM, {}, false, "who names no session passes"],
  [REALM, { session: { id: "s" } }, true, "a session that does not say when it was born does not"],
  [REALM, { permitRevision: rev(2, 4) }, true, "a permit issued before it"],
];

describe.each(["apply", "merge"] as const)("the table of marks, by %s", (way) => {
  it.each(TABLE)("%o on %o: %s, %s", (target, subject, revoked) => {
    const index = new RevocationIndex((size) => new Uint8Array(size));
    const one = record(target);
    if (way === "apply") index.apply(one);
    else if (target.kind !== "realm") index.merge({ head: one.revision, floors: [], marks: [one] });
    else {
      const { realm, revision, recordedAtMs } = one;
      index.merge({ head: revision, floors: [{ realm, revision, recordedAtMs }], marks: [] });
    }
    expect(index.isRevoked(who(subject))).toBe(revoked);
    expect(index.isRevoked(who({ ...subject, realm: "other" }))).toBe(false);
    expect(index.applied).toEqual(rev(2, 5));
  });
});

describe("order", () => {
  it("takes a floor of no realm for every realm", () => {
    const index = new RevocationIndex((size) => new Uint8Array(size));
    index.merge({ head: rev(3, 0), floors: [{ realm: "", revision: rev(3, 0), recordedAtMs: 0 }], marks: [] });
    expect(index.isRevoked(who({ realm: "any", ...born(rev(2, 99)) }))).toBe(true);
    expect(index.isRevoked(who({ realm: "any", ...born(rev(3, 0)) }))).toBe(false);
    // A session whose start nobody said counts as started at 0.
    for (const startedAtMs of [0, 1, 60_000])
      expect(index.isRevoked(who({ realm: "any", ...inline(startedAtMs) }))).toBe(false);
    expect(index.isRevoked(who({ realm: "any", ...inline(Number.NaN) }))).toBe(true);
  });

  it("never lowers a mark or what is applied", () => {
    const index = new RevocationIndex((size) => new Uint8Array(size));
    index.apply(record(PRINCIPAL, rev(2, 9)));
    index.apply({ ...record(PRINCIPAL, rev(2, 5)), recordedAtMs: 0 });
    index.merge({ head: rev(2, 6), floors: [], marks: [{ ...record(PRINCIPAL, rev(2, 6)), recordedAtMs: 0 }] });
    index.merge({ head: rev(1, 0), floors: [], marks: [] });
    expect(index.applied).toEqual(rev(2, 9));
    expect(index.isRevoked(who(born(rev(2, 8))))).toBe(true);
    expect(index.isRevoked(who(inline(AT_MS)))).toBe(true);
  });

  it("takes names such as __proto__ for names", () => {
    const index = new RevocationIndex((size) => new Uint8Array(size));
    expect(index.isRevoked(who({ principalId: "constructor", realm: "__proto__", roles: ["toString"] }))).toBe(false);
    index.apply(record({ kind: "principal", id: "__proto__" }, rev(2, 5), "__proto__"));
    expect(index.isRevoked(who({ principalId: "__proto__", realm: "__proto__" }))).toBe(true);
  });
});

describe("a node's own invalidation", () => {
  it.each([SESSION, PRINCIPAL, ROLE, REALM])("holds at once, whenever born: %o", (target) => {
    const index = new RevocationIndex((size) => new Uint8Array(size));
    index.applyLocal("default", scopeOf(target), AT_MS);
    expect(index.isRevoked(who(born(rev(99, 99))))).toBe(true);
    expect(index.isRevoked(who({ realm: "other", ...born(rev(99, 99)) }))).toBe(false);
    expect(index.applied).toEqual(rev(0, 0));
  });

  it("survives merges and other records until its own record comes", () => {
    const index = new RevocationIndex((size) => new Uint8Array(size));
    index.apply(record(ROLE, rev(2, 5)));
    index.applyLocal("default", scopeOf(PRINCIPAL), AT_MS);
    const later = who({ roles: [], ...born(rev(2, 50)) });
    index.merge({ head: rev(2, 6), floors: [], marks: [record(PRINCIPAL, rev(2, 4))] });
    index.merge({ head: rev(3, 0), floors: [{ realm: "", revision: rev(3, 0), recordedAtMs: 0 }], marks: [] });
    expect(index.isRevoked(who({ ...later, session: { id: "s", born: rev(3, 1) } }))).toBe(true);
    index.apply({ ...record(PRINCIPAL, rev(3, 1)), scope: scopeOf(PRINCIPAL, "of somebody else") });
    expect(index.isRevoked(who({ ...later, session: { id: "s", born: rev(3, 1) } }))).toBe(true);
    index.apply(record(PRINCIPAL, rev(3, 2)));
    expect(index.isRevoked(who({ ...later, session: { id: "s", born: rev(3, 1) } }))).toBe(true);
    expect(index.isRevoked(who({ ...later, session: { id: "s", born: rev(3, 2) } }))).toBe(false);
  });

  it("is released by a snapshot that holds a later mark of its target", () => {
    const index = new RevocationIndex((size) => new Uint8Array(size));
    index.applyLocal("default", scopeOf(PRINCIPAL), AT_MS);
    const mark = { ...record(PRINCIPAL, rev(2, 7)), scope: scopeOf(PRINCIPAL, "a later reason") };
    index.merge({ head: rev(2, 7), floors: [], marks: [mark] });
    expect(index.isRevoked(who({ roles: [], ...born(rev(2, 7)) }))).toBe(false);
    expect(index.isRevoked(who({ roles: [], ...born(rev(2, 6)) }))).toBe(true);
  });
});
