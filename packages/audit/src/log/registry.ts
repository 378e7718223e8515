/** The list of logs and their newest checkpoints, kept where a node's disk cannot reach. The port, and its twin in memory. */

export interface PublishedCheckpoint {
  readonly origin: string;
  /** Number of entries. */
  readonly size: number;
  /** The signed note. */
  readonly note: Uint8Array;
}

export interface OriginRegistry {
  /**
   * Keeps the newest checkpoint of an origin, and the origin for good. One of a smaller size than it has is ignored, for publications may
   * arrive out of order. Resolves when it is kept.
   */
  publish(checkpoint: PublishedCheckpoint): Promise<void>;
  /** Every origin that was ever published, each once. */
  list(): Promise<readonly PublishedCheckpoint[]>;
}

/** Dies with the process: for tests, and for a gate that keeps no list. */
export class MemoryOriginRegistry implements OriginRegistry {
  readonly #byOrigin = new Map<string, PublishedCheckpoint>();

  async publish(checkpoint: PublishedCheckpoint): Promise<void> {
    const { origin, size, note } = checkpoint;
    const known = this.#byOrigin.get(origin);
    if (known !== undefined && known.size > size) return;
    this.#byOrigin.set(origin, { origin, size, note: new Uint8Array(note) });
  }

  async list(): Promise<readonly PublishedCheckpoint[]> {
    return [...this.#byOrigin.values()];
  }
}
