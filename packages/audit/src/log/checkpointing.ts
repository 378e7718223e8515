/** Makes the checkpoints of a log: kept on the disk at once, published as soon as the list of origins takes them. */
import type { KavachKeyPair, MerkleFrontier } from "@kavach/crypto";
import { within } from "@kavach/system";
import { AuditError } from "../errors.ts";
import type { PublishedCheckpoint } from "./registry.ts";
import type { Settings } from "./settings.ts";
import { signFrontier } from "./signing.ts";

/** Longest wait for the list of origins, milliseconds: one that is silent must not keep the log from closing. */
const REGISTRY_WAIT_MS = 5000;

export interface CheckpointedLog {
  readonly origin: string;
  readonly frontier: MerkleFrontier;
  /** Puts the newest checkpoint in the place of the one before it. */
  readonly write: (note: Uint8Array) => Promise<void>;
}

/** Keeping and publishing are two queues of one place each: a list that is silent holds up no checkpoint on the disk. */
export class Checkpointing {
  readonly #settings: Settings;
  readonly #log: CheckpointedLog;
  #kept: PublishedCheckpoint | undefined;
  #keptBy: KavachKeyPair | undefined;
  #keeping: Promise<void> | undefined;
  #published: PublishedCheckpoint | undefined;
  #publishing: Promise<void> | undefined;

  constructor(settings: Settings, log: CheckpointedLog) {
    this.#settings = settings;
    this.#log = log;
  }

  /** Both, whatever is under way: over all that is durable now. Rejects with what went wrong; nothing is lost then. */
  async make(): Promise<void> {
    while (this.#keeping !== undefined) await this.#keeping.catch(() => {});
    await this.#keep();
    while (this.#publishing !== undefined) await this.#publishing.catch(() => {});
    await this.#publish();
  }

  /** Both, each where it is not under way already. Never rejects: `failed` hears of it. */
  async attempt(failed: (error: unknown) => void): Promise<void> {
    if (this.#keeping === undefined) await this.#keep().catch(failed);
    if (this.#publishing === undefined) await this.#publish().catch(failed);
  }

  async #keep(): Promise<void> {
    this.#keeping = this.#keepNow().finally(() => {
      this.#keeping = undefined;
    });
    await this.#keeping;
  }

  async #publish(): Promise<void> {
    this.#publishing = this.#publishNow().finally(() => {
      this.#publishing = undefined;
    });
    await this.#publishing;
  }

  async #keepNow(): Promise<void> {
    const { origin, frontier, write } = this.#log;
    const { size } = frontier;
    const { keyPair } = this.#settings;
    // A new key vouches for what the one before it signed: after a restart the log is known by the new one alone.
    if (size === this.#kept?.size && keyPair === this.#keptBy) return;
    const note = await signFrontier(this.#settings, origin, frontier);
    await write(note);
    this.#kept = { origin, size, note };
    this.#keptBy = keyPair;
  }

  async #publishNow(): Promise<void> {
    const kept = this.#kept;
    if (kept === undefined || kept === this.#published) return;
    try {
      await within(REGISTRY_WAIT_MS, this.#settings.registry.publish(kept));
    } catch (cause) {
      throw new AuditError("REGISTRY_UNAVAILABLE", "the checkpoint was not published", { cause });
    }
    this.#published = kept;
  }
}
