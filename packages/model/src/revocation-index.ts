/** The index a node answers "is this revoked?" from. It only grows: nothing becomes valid by an apply or a merge. Pure: instants come in. */
import { PackedTable } from "./packed-table.ts";
import {
  compareRevisions,
  laterRevision,
  type Revision,
  type RevocationRecord,
  type RevocationSnapshot,
  ZERO_REVISION,
} from "./revocation.ts";
import type { InvalidationScope, InvalidationTarget } from "./verdict.ts";
import type { RandomBytes } from "./world.ts";

/** Whom a decision or a permit speaks of. */
export interface RevocationSubject {
  readonly realm: string;
  readonly principalId: string;
  readonly roles: readonly string[];
  readonly session?: {
    readonly id: string;
    /** Of a session kept by the store: the head of the log when it was opened. */
    readonly born?: Revision;
    /** Of an inline session: its start by the caller's word, Unix milliseconds. */
    readonly startedAtMs?: number;
  };
  /** Of a permit that is being verified: what its issuer had applied. */
  readonly permitRevision?: Revision;
}

/** An inline session that claims to have started at most this long after a mark is older than the mark: clocks differ. */
const INLINE_SLACK_MS = 2000;

/** In every realm. */
const EVERY_REALM = "";

/** Later than every revision of a log: what is not in the log yet voids whatever was born before it gets there. */
const NOT_YET: Revision = Object.freeze({
  generation: Number.POSITIVE_INFINITY,
  number: Number.POSITIVE_INFINITY,
});

/** Where a mark stands in the log, and when by the log's clock. */
interface Mark {
  readonly revision: Revision;
  readonly recordedAtMs: number;
}

/** A node's own invalidation, until the log brings its record. */
interface LocalMark extends Mark {
  readonly scope: InvalidationScope;
  /** What was applied when it was made: only a later record can be its own. */
  readonly after: Revision;
}

/** What a realm has few of. */
interface RealmMarks {
  /** Stands for the realm in the tables. */
  readonly space: number;
  floor: Mark | undefined;
  readonly roles: Map<string, Mark>;
  /** A session was revoked by its name alone, whoever's it is. */
  anyPrincipal: boolean;
}

/** Numbers beside a principal. */
const GENERATION = 0;
const NUMBER = 1;
const RECORDED_AT_MS = 2;

/** Marks of sessions and principals in every realm: there may be millions. */
class ManyMarks {
  readonly #sessions: PackedTable;
  readonly #principals: PackedTable;

  constructor(random: RandomBytes) {
    const { buffer, byteOffset } = random(8);
    const bytes = new DataView(buffer, byteOffset, 8);
    const key = { low: bytes.getUint32(0, true), high: bytes.getUint32(4, true) };
    this.#sessions = new PackedTable(key, 0);
    this.#principals = new PackedTable(key, 3);
  }

  addSession(space: number, principalId: string, id: string): void {
    this.#sessions.add(space, principalId, id);
  }

  hasSession(space: number, principalId: string, id: string): boolean {
    return this.#sessions.find(space, principalId, id) !== undefined;
  }

  addPrincipal(space: number, id: string, mark: Mark): void {
    const table = this.#principals;
    const { size } = table;
    const entry = table.add(space, id);
    const later = table.size > size ? mark : laterMark(this.#markAt(entry), mark);
    table.setNumber(entry, GENERATION, later.revision.generation);
    table.setNumber(entry, NUMBER, later.revision.number);
    table.setNumber(entry, RECORDED_AT_MS, later.recordedAtMs);
  }

  principal(space: number, id: string): Mark | undefined {
    const entry = this.#principals.find(space, id);
    return entry === undefined ? undefined : this.#markAt(entry);
  }

  #markAt(entry: number): Mark {
    const table = this.#principals;
    const revision = { generation: table.number(entry, GENERATION), number: table.number(entry, NUMBER) };
    return { revision, recordedAtMs: table.number(entry, RECORDED_AT_MS) };
  }
}

/** What this node knows to be revoked, in every realm. Records are applied in the order of the log. */
export class RevocationIndex {
  #applied: Revision = ZERO_REVISION;
  readonly #realms = new Map<string, RealmMarks>();
  readonly #many: ManyMarks;
  readonly #local = new Map<string, LocalMark[]>();

  /** `random` keys the tables, so that nobody can choose ids that make look-ups slow. */
  constructor(random: RandomBytes) {
    this.#many = new ManyMarks(random);
  }

  /** Everything up to here is known. */
  get applied(): Revision {
    return this.#applied;
  }

  /** Takes one record in. A record that was applied before changes nothing. */
  apply(record: RevocationRecord): void {
    this.#add(record);
    this.#settle(record.realm, record.revision, (scope) => sameScope(scope, record.scope));
    this.#applied = laterRevision(this.#applied, record.revision);
  }

  /** Takes a snapshot in beside what is known; `applied` becomes the later of both heads. */
  merge(snapshot: RevocationSnapshot): void {
    for (const { realm, ...floor } of snapshot.floors) {
      const marks = this.#marksOf(realm);
      marks.floor = laterMark(marks.floor, floor);
      this.#settle(realm, floor.revision, ({ target }) => target.kind === "realm");
    }
    for (const mark of snapshot.marks) {
      this.#add(mark);
      // A snapshot keeps one mark of each target, so the reason may be that of a later one.
      this.#settle(mark.realm, mark.revision, ({ target }) => sameTarget(target, mark.scope.target));
    }
    this.#applied = laterRevision(this.#applied, snapshot.head);
  }

  /**
   * Honours an invalidation of this node before the log has it; call it before the append. It stands through every merge: a session's
   * for good, since its record would say the same, any other until a later record of its kind has come. `nowMs`: Unix milliseconds on
   * the log's clock as this node knows it.
   */
  applyLocal(realm: string, scope: InvalidationScope, nowMs: number): void {
    const { target } = scope;
    if (target.kind === "session") {
      this.#mark(realm, target, { revision: NOT_YET, recordedAtMs: nowMs });
      return;
    }
    const marks = this.#local.get(realm) ?? [];
    this.#local.set(realm, marks);
    marks.push({ scope, after: this.#applied, revision: NOT_YET, recordedAtMs: nowMs });
  }

  isRevoked(subject: RevocationSubject): boolean {
    const everywhere = this.#realms.get(EVERY_REALM)?.floor;
    if (everywhere !== undefined && floorVoids(everywhere, subject)) return true;
    const marks = this.#realms.get(subject.realm);
    if (marks !== undefined && this.#voids(marks, subject)) return true;
    return this.#local.get(subject.realm)?.some((mark) => localVoids(mark, subject)) ?? false;
  }

  #voids(marks: RealmMarks, subject: RevocationSubject): boolean {
    const { space, floor, roles } = marks;
    const { session, principalId } = subject;
    if (session !== undefined) {
      if (this.#many.hasSession(space, principalId, session.id)) return true;
      if (marks.anyPrincipal && this.#many.hasSession(space, "", session.id)) return true;
    }
    if (floor !== undefined && floorVoids(floor, subject)) return true;
    const principal = this.#many.principal(space, principalId);
    if (principal !== undefined && markVoids(principal, subject)) return true;
    if (roles.size === 0) return false;
    return subject.roles.some((role) => {
      const mark = roles.get(role);
      return mark !== undefined && markVoids(mark, subject);
    });
  }

  #marksOf(realm: string): RealmMarks {
    let marks = this.#realms.get(realm);
    if (marks === undefined) {
      marks = { space: this.#realms.size, floor: undefined, roles: new Map(), anyPrincipal: false };
      this.#realms.set(realm, marks);
    }
    return marks;
  }

  #add({ realm, scope, revision, recordedAtMs }: RevocationRecord): void {
    this.#mark(realm, scope.target, { revision, recordedAtMs });
  }

  #mark(realm: string, target: InvalidationTarget, mark: Mark): void {
    const marks = this.#marksOf(realm);
    switch (target.kind) {
      case "session":
        marks.anyPrincipal ||= target.principalId === "";
        this.#many.addSession(marks.space, target.principalId, target.id);
        return;
      case "principal":
        this.#many.addPrincipal(marks.space, target.id, mark);
        return;
      case "role":
        marks.roles.set(target.id, laterMark(marks.roles.get(target.id), mark));
        return;
      case "realm":
        marks.floor = laterMark(marks.floor, mark);
        return;
    }
  }

  /** The log has them now: local marks that were made before `revision` and stand for the same have done their work. */
  #settle(realm: string, revision: Revision, same: (scope: InvalidationScope) => boolean): void {
    const marks = this.#local.get(realm);
    if (marks === undefined) return;
    const left = marks.filter((mark) => compareRevisions(revision, mark.after) <= 0 || !same(mark.scope));
    if (left.length === 0) this.#local.delete(realm);
    else this.#local.set(realm, left);
  }
}

/** Revision and instant rise each for itself, so that joining two marks never frees anything. */
function laterMark(known: Mark | undefined, mark: Mark): Mark {
  if (known === undefined) return { revision: mark.revision, recordedAtMs: mark.recordedAtMs };
  return {
    revision: laterRevision(known.revision, mark.revision),
    recordedAtMs: Math.max(known.recordedAtMs, mark.recordedAtMs),
  };
}

/** True: born or issued before the mark. False: after it. Undefined: the subject says neither. */
function isBefore(mark: Mark, subject: RevocationSubject): boolean | undefined {
  const { session, permitRevision } = subject;
  let before: boolean | undefined;
  if (permitRevision !== undefined) before = compareRevisions(permitRevision, mark.revision) < 0;
  if (session?.born !== undefined) before = before === true || compareRevisions(session.born, mark.revision) < 0;
  // Written so that an instant which is no number is void.
  if (session?.startedAtMs !== undefined) {
    // The floor of a log that begins stands at 0: nothing is known against inline sessions, however old.
    const since = mark.recordedAtMs === 0 ? -1 : mark.recordedAtMs + INLINE_SLACK_MS;
    before = before === true || !(session.startedAtMs > since);
  }
  return before;
}

/** Principal and role marks: who names no session is refused while the mark stands. */
function markVoids(mark: Mark, subject: RevocationSubject): boolean {
  return isBefore(mark, subject) ?? true;
}

/** Who names no session passes a floor; a session that does not say when it was born does not. */
function floorVoids(floor: Mark, subject: RevocationSubject): boolean {
  return isBefore(floor, subject) ?? subject.session !== undefined;
}

function localVoids(mark: LocalMark, subject: RevocationSubject): boolean {
  const { target } = mark.scope;
  switch (target.kind) {
    case "session":
      return false; // Never local: it went into the marks at once.
    case "principal":
      return target.id === subject.principalId && markVoids(mark, subject);
    case "role":
      return subject.roles.includes(target.id) && markVoids(mark, subject);
    case "realm":
      return floorVoids(mark, subject);
  }
}

function sameScope(a: InvalidationScope, b: InvalidationScope): boolean {
  return a.reason === b.reason && a.evaluator === b.evaluator && sameTarget(a.target, b.target);
}

function sameTarget(a: InvalidationTarget, b: InvalidationTarget): boolean {
  if (a.kind === "realm" || b.kind === "realm") return a.kind === b.kind;
  if (a.kind !== b.kind || a.id !== b.id) return false;
  return a.kind !== "session" || b.kind !== "session" || a.principalId === b.principalId;
}
