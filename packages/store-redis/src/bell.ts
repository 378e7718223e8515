/** A Pub/Sub subscription on its own connection, which mends itself. It only wakes readers up: nothing it says is believed. */
import { Redis } from "ioredis";
import { clientOptions } from "./connection.ts";
import { type CheckedOptions, parseAddress } from "./options.ts";

/** How often a silent connection is asked whether it still lives. */
const PING_MS = 2000;

export class Bell {
  readonly #redis: Redis;
  readonly #listeners = new Set<() => void>();
  readonly #pulse: NodeJS.Timeout;

  constructor(url: string, channel: string, options: CheckedOptions) {
    this.#redis = new Redis(clientOptions(parseAddress(url), options));
    this.#redis.on("error", options.onError);
    this.#redis.on("message", () => this.#ring());
    this.#redis.on("ready", () => {
      // What was rung while the line was down was not heard.
      this.#redis.subscribe(channel).then(() => this.#ring(), options.onError);
    });
    // The connection goes on trying by itself; `onError` hears of what fails.
    this.#redis.connect().catch(() => undefined);
    this.#pulse = setInterval(() => {
      if (this.#redis.status === "ready") this.#redis.ping().catch(options.onError);
    }, PING_MS).unref();
  }

  add(ring: () => void): () => void {
    const listener = () => ring();
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    clearInterval(this.#pulse);
    this.#listeners.clear();
    this.#redis.disconnect();
  }

  #ring(): void {
    for (const listener of this.#listeners) listener();
  }
}
