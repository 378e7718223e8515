/** One watch: the state or the missed records first, then every record as it comes, and heartbeats; never a gap that is not said. */
import { Code, ConnectError } from "@connectrpc/connect";
import {
  type Clock,
  compareRevisions,
  type Revision,
  type RevocationRecord,
  type RevocationSnapshot,
  UnavailableError,
  ZERO_REVISION,
} from "@kavach/model";
import type { RevocationLog } from "@kavach/store";
import type { LogOpener } from "./log-opener.ts";
import { followsOn, type LogTail } from "./log-tail.ts";
import { RecordQueue } from "./record-queue.ts";

export type WatchEvent =
  | { readonly kind: "record"; readonly record: RevocationRecord }
  | { readonly kind: "heartbeat"; readonly head: Revision }
  | { readonly kind: "resync"; readonly snapshot: RevocationSnapshot };

export interface WatchParts {
  readonly log: RevocationLog;
  readonly opener: LogOpener;
  readonly tail: LogTail;
  readonly clock: Pick<Clock, "monotonicMs">;
  readonly heartbeatMs: number;
  /** Records that may wait for one watcher. */
  readonly queueMax: number;
}

export interface WatchQuestion {
  /** Empty: every realm. */
  readonly realm: string;
  readonly from: Revision | undefined;
  readonly signal: AbortSignal;
}

const READ_MAX = 1000;
/** Marks in one message. A mark has at most about two kilobytes, and clients take four megabytes unless told otherwise. */
const MARKS_MAX = 1000;
/** A tail that has not reached the log for so many heartbeats ends its watches: silence would look like "nothing new". */
const HEARTBEATS_MISSED_MAX = 3;
const TAIL_AGE_MS_MIN = 1500;

/** Throws UnavailableError while the log is away, and a resumable error when the watcher is too slow. */
export async function* watch(parts: WatchParts, question: WatchQuestion): AsyncGenerator<WatchEvent> {
  await parts.tail.catchUp();
  let position = await startOf(parts, question);
  while (!question.signal.aborted) {
    position = yield* backlog(parts, question, position);
    position = yield* live(parts, question, position);
  }
}

/**
 * Where the watcher stands, if the log can go on from there. A node, which follows every realm, may have seen what the log
 * lost; then the log is opened anew. Anybody else's word costs nobody anything: who is somewhere else gets everything again.
 */
async function startOf({ opener, tail }: WatchParts, { realm, from }: WatchQuestion): Promise<Revision | undefined> {
  if (from === undefined || hasSeen(tail.position, from)) return from;
  if (realm !== "" || from.generation === 0) return undefined;
  opener.know(from);
  await opener.open(from);
  await tail.catchUp();
  return hasSeen(tail.position, from) ? from : undefined;
}

/** `from` is in the tail's generation, and not ahead of it. */
function hasSeen(tail: Revision | undefined, from: Revision): boolean {
  return tail !== undefined && from.generation === tail.generation && from.number <= tail.number;
}

/** From the log itself, up to where the tail is. */
async function* backlog(
  { log, opener, tail }: WatchParts,
  { realm, signal }: WatchQuestion,
  from: Revision | undefined,
): AsyncGenerator<WatchEvent, Revision> {
  let position = from;
  while (!signal.aborted) {
    if (position !== undefined && hasReached(position, tail.position)) return position;
    const read = await opener.opened(() => log.read(position, READ_MAX), position);
    if (read.kind === "resync") {
      yield* resync(read.snapshot, realm);
      position = read.snapshot.head;
    } else if (position === undefined || !followsOn(position, read.records)) {
      position = undefined;
    } else {
      // The tail has seen more than the log gives now. Asking again at once would never end; the watcher comes back.
      if (read.records.length === 0) throw new UnavailableError("LOG_UNAVAILABLE", "the log is behind its own tail");
      for (const record of read.records) {
        if (isOf(record.realm, realm)) yield { kind: "record", record };
        position = record.revision;
      }
    }
    // A reader that is in a newer generation than the tail waits for it.
    if (position !== undefined && position.generation !== tail.position?.generation) await tail.catchUp();
  }
  return position ?? ZERO_REVISION;
}

function hasReached(position: Revision, tail: Revision | undefined): boolean {
  return tail !== undefined && position.generation === tail.generation && position.number >= tail.number;
}

/** From the tail. Returns when history must be read again. */
async function* live(
  parts: WatchParts,
  { realm, signal }: WatchQuestion,
  from: Revision,
): AsyncGenerator<WatchEvent, Revision> {
  const { tail, clock, heartbeatMs } = parts;
  const queue = new RecordQueue(parts.queueMax);
  const leave = tail.listen(queue);
  let position = from;
  try {
    for (let beatAtMs = clock.monotonicMs(); !signal.aborted; ) {
      for (const record of queue.take()) {
        if (compareRevisions(record.revision, position) <= 0) continue;
        if (isOf(record.realm, realm)) yield { kind: "record", record };
        position = record.revision;
        if (queue.state === "overflowed") throw tooSlow();
      }
      if (queue.state === "overflowed") throw tooSlow();
      if (queue.state === "reset") return position;
      if (clock.monotonicMs() >= beatAtMs) {
        requireRecent(tail, heartbeatMs);
        yield { kind: "heartbeat", head: position };
        beatAtMs = clock.monotonicMs() + heartbeatMs;
      }
      await queue.wait(Math.max(0, beatAtMs - clock.monotonicMs()), signal);
    }
  } finally {
    leave();
  }
  return position;
}

/** In parts. All but the last carry the zero revision, so that who has only some of them does not think that it has all. */
function* resync(snapshot: RevocationSnapshot, realm: string): Generator<WatchEvent> {
  const floors = snapshot.floors.filter((floor) => floor.realm === "" || isOf(floor.realm, realm));
  const marks = snapshot.marks.filter((mark) => isOf(mark.realm, realm));
  let sent = 0;
  for (; sent + MARKS_MAX < marks.length; sent += MARKS_MAX) {
    const part = marks.slice(sent, sent + MARKS_MAX);
    yield { kind: "resync", snapshot: { head: ZERO_REVISION, floors: [], marks: part } };
  }
  yield { kind: "resync", snapshot: { head: snapshot.head, floors, marks: marks.slice(sent) } };
}

function isOf(recordRealm: string, realm: string): boolean {
  return realm === "" || recordRealm === realm;
}

function requireRecent(tail: LogTail, heartbeatMs: number): void {
  if (tail.ageMs <= Math.max(TAIL_AGE_MS_MIN, heartbeatMs * HEARTBEATS_MISSED_MAX)) return;
  throw new UnavailableError("LOG_UNAVAILABLE", "the tail has not reached the revocation log");
}

function tooSlow(): ConnectError {
  return new ConnectError("the watcher is too slow; resume from the last revision it applied", Code.ResourceExhausted);
}
