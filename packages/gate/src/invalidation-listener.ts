/** Calls a function for every invalidation that a broadcaster tells from now on. One that throws is reported, and called again for the next. */
import { compareRevisions, InputError, type InvalidationScope, type Revision, ZERO_REVISION } from "@kavach/model";
import { type InvalidationBroadcaster, LogError, type ReadResult } from "@kavach/store";
import { refuseUnknownKeys } from "./option-keys.ts";

export type InvalidationListener = (scope: InvalidationScope, realm: string) => unknown;

export interface ListenerOptions {
  /** Told of a listener that throws or rejects, and of a log that does not answer. Default: a line on stderr. */
  readonly onError?: (error: unknown, what: string) => void;
  /** Milliseconds between two questions to a log that other processes share, 10 to 60,000. Default 1000. */
  readonly pollMs?: number;
}

export interface ListenerHandle extends Disposable {
  /** The listener is not called any more. */
  abort(): void;
}

const READ_MAX = 1000;

/** Listens from the moment of the call on, whatever was told before. */
export function spawnInvalidationListener(
  broadcaster: InvalidationBroadcaster,
  listener: InvalidationListener,
  options: ListenerOptions = {},
): ListenerHandle {
  refuseUnknownKeys(options, ["onError", "pollMs"]);
  const { onError = (error, what) => console.error(`kavach: ${what}:`, error), pollMs = 1000 } = options;
  if (!(pollMs >= 10 && pollMs <= 60_000)) {
    throw new InputError([{ field: "pollMs", reason: "must be from 10 to 60000" }]);
  }
  const following = new Following(broadcaster, listener, onError);
  const stopWatching = broadcaster.log.watch(() => following.ring());
  const timer = broadcaster.local ? undefined : setInterval(() => following.ring(), pollMs).unref();
  following.ring();
  const abort = () => {
    following.stop();
    stopWatching();
    clearInterval(timer);
  };
  return { abort, [Symbol.dispose]: abort };
}

class Following {
  readonly #broadcaster: InvalidationBroadcaster;
  readonly #listener: InvalidationListener;
  readonly #onError: (error: unknown, what: string) => void;
  #seen: Revision | undefined;
  #rung = false;
  #reading = false;
  #stopped = false;

  constructor(
    broadcaster: InvalidationBroadcaster,
    listener: InvalidationListener,
    onError: (error: unknown, what: string) => void,
  ) {
    this.#broadcaster = broadcaster;
    this.#listener = listener;
    this.#onError = onError;
  }

  stop(): void {
    this.#stopped = true;
  }

  /** Reads until nothing is new. A ring while it reads makes it look once more. */
  ring(): void {
    this.#rung = true;
    if (this.#reading) return;
    void this.#read();
  }

  async #read(): Promise<void> {
    this.#reading = true;
    while (this.#rung && !this.#stopped) {
      this.#rung = false;
      try {
        await this.#readNew();
      } catch (error) {
        this.#onError(error, "invalidations cannot be read");
      }
    }
    this.#reading = false;
  }

  async #readNew(): Promise<void> {
    const { log } = this.#broadcaster;
    if (this.#seen === undefined) {
      this.#seen = await this.#start();
      return;
    }
    for (;;) {
      const read = await this.#readAfter(this.#seen);
      for (const { scope, realm, revision } of newRecords(read, this.#seen)) {
        if (this.#stopped) return;
        this.#seen = revision;
        this.#tell(scope, realm);
      }
      if (read.kind === "records" && read.records.length < READ_MAX) return;
      if (read.kind === "resync") this.#seen = read.snapshot.head;
      if (compareRevisions(this.#seen, (await log.head()).head) >= 0) return;
    }
  }

  /** The head of the moment: what stands before it was told before. */
  async #start(): Promise<Revision> {
    const { log } = this.#broadcaster;
    try {
      return (await log.head()).head;
    } catch (error) {
      if (!(error instanceof LogError)) throw error;
      return (await log.open(ZERO_REVISION)).head;
    }
  }

  async #readAfter(seen: Revision): Promise<ReadResult> {
    const { log } = this.#broadcaster;
    try {
      return await log.read(seen, READ_MAX);
    } catch (error) {
      if (!(error instanceof LogError)) throw error;
      await log.open(seen);
      return await log.read(undefined, READ_MAX);
    }
  }

  /** Not waited for: one listener that takes its time holds up none of the others, and not the gate. */
  #tell(scope: InvalidationScope, realm: string): void {
    void (async () => await this.#listener(scope, realm))().catch((error: unknown) =>
      this.#onError(error, "an invalidation listener failed"),
    );
  }
}

/** In the order of the log. Of a snapshot, those that were not told yet. */
function newRecords(read: ReadResult, seen: Revision) {
  if (read.kind === "records") return read.records;
  return read.snapshot.marks
    .filter(({ revision }) => compareRevisions(revision, seen) > 0)
    .toSorted((a, b) => compareRevisions(a.revision, b.revision));
}
