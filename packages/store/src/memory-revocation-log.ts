/** The RevocationLog in the process's own memory: for the embedded gate, and the twin that every other adapter is compared with. */
import {
  type Clock,
  compareRevisions,
  type InvalidationTarget,
  type RealmFloor,
  type Revision,
  type RevocationRecord,
  type RevocationSnapshot,
  ZERO_REVISION,
} from "@kavach/model";
import { ExpiringMap } from "./expiring-map.ts";
import { type AppendRequest, type Head, LogError, type ReadResult, type RevocationLog } from "./revocation-log.ts";

/** Records kept for readers that come back; who is further behind takes a snapshot. */
export const HISTORY_RECORDS_DEFAULT = 10_000;
/** How long a retry with the same key returns the first call's revision. */
export const IDEMPOTENCY_MS = 24 * 3600 * 1000;

type Opened = Awaited<ReturnType<RevocationLog["open"]>>;

export class MemoryRevocationLog implements RevocationLog {
  readonly #clock: Clock;
  readonly #historyMax: number;
  readonly #floors = new Map<string, RealmFloor>();
  readonly #marks = new Map<string, RevocationRecord>();
  readonly #idempotent = new ExpiringMap<Revision>();
  readonly #bells = new Set<() => void>();
  #history: RevocationRecord[] = [];
  #head: Revision | undefined;
  /** The last revision that this generation stands on from before it: who knows a later one has seen what was lost. */
  #base: Revision = ZERO_REVISION;
  #recordedAtMs = 0;

  /** `historyMax`: records kept for `read`, 1 or more. */
  constructor(clock: Clock, historyMax = HISTORY_RECORDS_DEFAULT) {
    this.#clock = clock;
    this.#historyMax = historyMax;
  }

  async open(known: Revision): Promise<Opened> {
    const head = this.#head;
    if (head !== undefined && !this.#isAhead(known, head)) return { head, outcome: "unchanged" };
    const recordedAtMs = this.#now();
    const generation = Math.max((head?.generation ?? 0) + 1, known.generation + 1, recordedAtMs);
    const opened = { generation, number: 0 };
    const fresh = head === undefined && compareRevisions(known, ZERO_REVISION) === 0;
    // A log without a past cannot know which stored sessions an earlier one had revoked, so those are void too. Nothing is known
    // against inline sessions then.
    this.#floors.set("", { realm: "", revision: opened, recordedAtMs: fresh ? 0 : recordedAtMs });
    this.#history = [];
    this.#head = opened;
    this.#base = fresh ? ZERO_REVISION : opened;
    this.#ring();
    return { head: opened, outcome: fresh ? "created" : "void" };
  }

  async append(request: AppendRequest): Promise<Revision> {
    const head = this.#opened();
    const { realm, scope, idempotencyKey } = request;
    const recordedAtMs = this.#now();
    const target = targetKey(realm, scope.target);
    const entry = JSON.stringify([idempotencyKey, target]);
    const earlier = idempotencyKey === "" ? undefined : this.#idempotent.get(entry, recordedAtMs);
    if (earlier !== undefined) return earlier;
    const revision = { generation: head.generation, number: head.number + 1 };
    const record = { revision, realm, recordedAtMs, scope };
    if (scope.target.kind === "realm") this.#floors.set(realm, { realm, revision, recordedAtMs });
    else this.#marks.set(target, record);
    this.#history.push(record);
    // Trimmed in halves, so that an append costs no shift of the whole history.
    if (this.#history.length >= 2 * this.#historyMax) this.#history = this.#history.slice(-this.#historyMax);
    this.#head = revision;
    if (idempotencyKey !== "") this.#idempotent.set(entry, revision, recordedAtMs + IDEMPOTENCY_MS, recordedAtMs);
    this.#ring();
    return revision;
  }

  async head(): Promise<Head> {
    return { head: this.#opened(), storeTimeMs: Math.floor(this.#clock.nowMs()) };
  }

  async read(from: Revision | undefined, limit: number): Promise<ReadResult> {
    const head = this.#opened();
    if (from !== undefined && this.#isAhead(from, head)) throw knowsMore(from, head);
    const oldest = head.number - Math.min(this.#history.length, this.#historyMax);
    if (from === undefined || from.generation !== head.generation || from.number < oldest) {
      return { kind: "resync", snapshot: this.#snapshot(head) };
    }
    const at = this.#history.length - (head.number - from.number);
    return { kind: "records", records: this.#history.slice(at, at + limit), head };
  }

  watch(ring: () => void): () => void {
    const bell = () => ring();
    this.#bells.add(bell);
    return () => this.#bells.delete(bell);
  }

  async close(): Promise<void> {
    this.#bells.clear();
  }

  #isAhead(known: Revision, head: Revision): boolean {
    if (compareRevisions(known, head) > 0) return true;
    return known.generation < head.generation && compareRevisions(known, this.#base) > 0;
  }

  #opened(): Revision {
    if (this.#head === undefined) throw new LogError("NOT_OPEN", "the revocation log was never opened");
    return this.#head;
  }

  #snapshot(head: Revision): RevocationSnapshot {
    return { head, floors: [...this.#floors.values()], marks: [...this.#marks.values()] };
  }

  /** The clock, but never back. */
  #now(): number {
    this.#recordedAtMs = Math.max(this.#recordedAtMs, Math.floor(this.#clock.nowMs()));
    return this.#recordedAtMs;
  }

  #ring(): void {
    for (const bell of this.#bells) bell();
  }
}

/** A reader that is ahead of the log has seen what the log lost. */
export function knowsMore(from: Revision, head: Revision): LogError {
  const text = (revision: Revision) => `${revision.generation}.${revision.number}`;
  return new LogError(
    "OTHER_INCARNATION",
    `revision ${text(from)} is later than the head ${text(head)}: the log lost data`,
  );
}

/** One target of one realm, without ambiguity. */
export function targetKey(realm: string, target: InvalidationTarget): string {
  switch (target.kind) {
    case "session":
      return JSON.stringify([realm, target.kind, target.principalId, target.id]);
    case "realm":
      return JSON.stringify([realm, target.kind]);
    default:
      return JSON.stringify([realm, target.kind, target.id]);
  }
}
