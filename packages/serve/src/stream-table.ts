/**
 * Keeps the dead streams of a session from filling old space. `node:http2` has a Map of the open streams of a session. V8 moves the
 * entries of a Map that has seen as many deletions as it has places to a new table, and leaves in the old table a pointer to the
 * new one (for iterators that are under way). Once a full collection has promoted one table, this dead one keeps alive its successor,
 * that one the next, and each of them the streams it held: every call is then copied twice and promoted, although it ended long
 * ago. A table that stays where it is has no successors. (What goes before it
 * has an effect of the same kind: V8 may come to put what a piece of code allocates into old space from the start, because so
 * much of it has survived; services are started with `--no-allocation-site-pretenuring`.)
 */
import type { Http2Session, Http2Stream } from "node:http2";

/** As many as a session has streams at a time, by default more than twice over; whatever meets a taken slot goes into a Map. */
const SLOTS = 256;

/** A Map from the numbers of streams, which are odd or even but not mixed, to the streams. In no particular order. */
export class StreamTable<V> implements Map<number, V> {
  readonly #numbers: (number | undefined)[] = new Array(SLOTS).fill(undefined);
  readonly #values: (V | undefined)[] = new Array(SLOTS).fill(undefined);
  readonly #rest = new Map<number, V>();
  #inSlots = 0;

  get size(): number {
    return this.#inSlots + this.#rest.size;
  }

  get(number: number): V | undefined {
    const slot = slotOf(number);
    return this.#numbers[slot] === number ? this.#values[slot] : this.#rest.get(number);
  }

  has(number: number): boolean {
    return this.#numbers[slotOf(number)] === number || this.#rest.has(number);
  }

  set(number: number, value: V): this {
    const slot = slotOf(number);
    const taken = this.#numbers[slot];
    if (taken === number) this.#values[slot] = value;
    else if (taken !== undefined || this.#rest.has(number)) this.#rest.set(number, value);
    else {
      this.#numbers[slot] = number;
      this.#values[slot] = value;
      this.#inSlots += 1;
    }
    return this;
  }

  delete(number: number): boolean {
    const slot = slotOf(number);
    if (this.#numbers[slot] !== number) return this.#rest.delete(number);
    this.#numbers[slot] = undefined;
    this.#values[slot] = undefined;
    this.#inSlots -= 1;
    return true;
  }

  clear(): void {
    this.#numbers.fill(undefined);
    this.#values.fill(undefined);
    this.#rest.clear();
    this.#inSlots = 0;
  }

  /** Of the entries at this instant: what comes and goes meanwhile is not looked at. */
  forEach(visit: (value: V, number: number, map: Map<number, V>) => void, self?: unknown): void {
    for (const [number, value] of this.entries()) visit.call(self, value, number, this);
  }

  entries(): MapIterator<[number, V]> {
    const found: [number, V][] = [];
    for (const [slot, number] of this.#numbers.entries()) {
      if (number !== undefined) found.push([number, this.#values[slot] as V]);
    }
    return [...found, ...this.#rest].values();
  }

  keys(): MapIterator<number> {
    return [...this.entries()].map(([number]) => number).values();
  }

  values(): MapIterator<V> {
    return [...this.entries()].map(([, value]) => value).values();
  }

  [Symbol.iterator](): MapIterator<[number, V]> {
    return this.entries();
  }

  get [Symbol.toStringTag](): string {
    return "StreamTable";
  }
}

/** Neighbours of one kind differ by two. */
function slotOf(number: number): number {
  return (number >>> 1) % SLOTS;
}

/**
 * Gives a new session a table that stays where it is. Node has no public way to, so this looks at what it is about to replace, and leaves
 * everything as it is where that is not an empty map of streams: another Node is then slower, and nothing else. True when it was done.
 */
export function keepStreamsYoung(session: Http2Session): boolean {
  for (const symbol of Object.getOwnPropertySymbols(session)) {
    const state: unknown = Reflect.get(session, symbol);
    if (typeof state !== "object" || state === null || !("streams" in state)) continue;
    if (!isEmptyMap(state.streams)) return false;
    state.streams = new StreamTable<Http2Stream>();
    return true;
  }
  return false;
}

const METHODS = ["get", "has", "set", "delete", "forEach"] as const;

/** Node's own class of maps does not inherit from Map. */
function isEmptyMap(value: unknown): boolean {
  if (typeof value !== "object" || value === null || Reflect.get(value, "size") !== 0) return false;
  return METHODS.every((name) => typeof Reflect.get(value, name) === "function");
}
