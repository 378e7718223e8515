/** A watch over a fan-out that reconnects where it was, and never passes over a record without saying so. */
import {
  compareRevisions,
  type RandomBytes,
  type Revision,
  type RevocationRecord,
  type RevocationSnapshot,
} from "@kavach/model";
import { SYSTEM_RANDOM } from "@kavach/system";
import { RpcError } from "./errors.ts";
import type { FanoutClient, WatchEvent } from "./fanout-client.ts";

/** What a callback throws counts as not applied: the watch reconnects and delivers it again. */
export interface WatchListener {
  /** Merge it: the state at its head. Comes first, and whenever history had to be skipped. */
  onSnapshot(snapshot: RevocationSnapshot): void;
  /** The next record, in order. */
  onRecord(record: RevocationRecord): void;
  /** Everything up to this head was delivered. */
  onHeartbeat?(head: Revision): void;
  /** The stream broke; it will be resumed. */
  onBreak?(error: unknown): void;
}

export interface InvalidationWatchOptions {
  readonly client: FanoutClient;
  readonly listener: WatchListener;
  /** Empty (default): every realm, and then record numbers have no gaps, which is checked. */
  readonly realm?: string;
  /**
   * Last revision applied, asked at each connection. Absent: what this watch has delivered; before the first event, undefined or the
   * zero revision, it begins with a snapshot.
   */
  readonly from?: () => Revision | undefined;
  /** For the jitter of reconnection. Default: the operating system's. */
  readonly random?: RandomBytes;
  /** A stream that says nothing for so long counts as broken. Milliseconds; default 3000. */
  readonly silenceMs?: number;
}

const SILENCE_MS_DEFAULT = 3000;
const BACKOFF_MS_FIRST = 50;
const BACKOFF_MS_MAX = 2000;

export class InvalidationWatch {
  readonly #options: InvalidationWatchOptions;
  readonly #stop = new AbortController();
  readonly #done: Promise<void>;
  #position: Revision | undefined;
  #connected = false;
  #failures = 0;

  /** Starts at once and runs until `stop`. */
  constructor(options: InvalidationWatchOptions) {
    this.#options = options;
    this.#done = this.#run();
  }

  /** Last revision that the listener has applied; undefined before the first. */
  get position(): Revision | undefined {
    return this.#position;
  }

  /** A stream is open and has spoken. */
  get connected(): boolean {
    return this.#connected;
  }

  /** Resolves when no callback comes any more. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#done;
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      try {
        await this.#follow();
      } catch (error) {
        if (this.#stop.signal.aborted) return;
        this.#options.listener.onBreak?.(error);
      }
      await pause(this.#backoffMs(), this.#stop.signal);
    }
  }

  /** One stream, until it breaks. */
  async #follow(): Promise<void> {
    const { client, realm = "", silenceMs = SILENCE_MS_DEFAULT } = this.#options;
    const stream = new AbortController();
    const signal = AbortSignal.any([stream.signal, this.#stop.signal]);
    const silence = setTimeout(() => stream.abort(), silenceMs);
    try {
      if (this.#options.from !== undefined) this.#position = this.#options.from();
      const from = this.#position;
      for await (const event of client.watch({ realm, ...(from !== undefined && { from }) }, signal)) {
        silence.refresh();
        if (signal.aborted) return;
        this.#apply(event);
        this.#connected = true;
        this.#failures = 0;
      }
    } catch (error) {
      if (!stream.signal.aborted || this.#stop.signal.aborted) throw error;
      throw new RpcError("DEADLINE_EXCEEDED", `the watch was silent for ${silenceMs} ms`, [], { cause: error });
    } finally {
      this.#connected = false;
      clearTimeout(silence);
      stream.abort();
    }
  }

  #apply(event: WatchEvent): void {
    const { listener } = this.#options;
    switch (event.kind) {
      case "resync":
        listener.onSnapshot(event.snapshot);
        this.#position = event.snapshot.head;
        break;
      case "record":
        if (!this.#isNext(event.record.revision)) return;
        listener.onRecord(event.record);
        this.#position = event.record.revision;
        break;
      case "heartbeat":
        this.#checkHead(event.head);
        listener.onHeartbeat?.(event.head);
        break;
    }
  }

  /** False for what was applied before. Throws where a record is missing in between. */
  #isNext(revision: Revision): boolean {
    const last = this.#position;
    if (last === undefined) throw gap("a record came before the first snapshot");
    if (compareRevisions(revision, last) <= 0) return false;
    if (revision.generation !== last.generation) throw gap("the generation changed without a snapshot");
    if (this.#isComplete() && revision.number !== last.number + 1)
      throw gap(`number ${revision.number} came after ${last.number}`);
    return true;
  }

  /** A heartbeat says that everything up to its head was sent. */
  #checkHead(head: Revision): void {
    const last = this.#position;
    if (last === undefined) throw gap("a heartbeat came before the first snapshot");
    if (compareRevisions(head, last) <= 0) return;
    if (this.#isComplete() || head.generation !== last.generation)
      throw gap(`the head is ${head.number}, applied is ${last.number}`);
    this.#position = head;
  }

  /** Only the log of all realms has every number. */
  #isComplete(): boolean {
    return (this.#options.realm ?? "") === "";
  }

  /** Doubles up to a bound; at random between half and whole, so that watchers of a restarted fan-out do not come at once. */
  #backoffMs(): number {
    const ms = Math.min(BACKOFF_MS_MAX, BACKOFF_MS_FIRST * 2 ** Math.min(this.#failures, 10));
    this.#failures += 1;
    const { random = SYSTEM_RANDOM } = this.#options;
    const [byte = 0] = random(1);
    return ms / 2 + (ms / 2) * (byte / 255);
  }
}

function gap(message: string): RpcError {
  return new RpcError("DATA_LOSS", `the watch has a gap: ${message}`, []);
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener("abort", end);
  });
}
