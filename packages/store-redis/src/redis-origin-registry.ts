/** The list of audit logs of a cluster with their newest checkpoints, on Redis. It fits the port `OriginRegistry` of the audit room. */
import { Connection } from "./connection.ts";
import { auditOriginsKey } from "./keys.ts";
import { checkOptions, type RedisOptions } from "./options.ts";
import { SCRIPTS } from "./scripts.generated.ts";

export interface PublishedOrigin {
  readonly origin: string;
  /** Number of entries. */
  readonly size: number;
  /** The signed note. */
  readonly note: Uint8Array;
}

/** Default deadline of a call, milliseconds. Nobody who asks for a permit waits for it. */
const COMMAND_TIMEOUT_MS = 2000;
const PAGE = 100;

export class RedisOriginRegistry {
  readonly #connection: Connection;
  readonly #key: string;

  private constructor(connection: Connection, key: string) {
    this.#connection = connection;
    this.#key = key;
  }

  /** Rejects with RedisSetupError where URL, options or server cannot be used, and with UnavailableError where none answers. */
  static async fromUrl(url: string, options: RedisOptions = {}): Promise<RedisOriginRegistry> {
    const checked = checkOptions(options, COMMAND_TIMEOUT_MS);
    const connection = await Connection.open(url, "store", [SCRIPTS.auditPublish], checked);
    return new RedisOriginRegistry(connection, auditOriginsKey(checked.prefix));
  }

  /** One of a smaller size than there is is ignored. Rejects with UnavailableError. */
  async publish({ origin, size, note }: PublishedOrigin): Promise<void> {
    const args = [origin, size, Buffer.from(note).toString("base64")];
    await this.#connection.run(SCRIPTS.auditPublish, [this.#key], args);
  }

  /** Rejects with UnavailableError. */
  async list(): Promise<readonly PublishedOrigin[]> {
    const byOrigin = new Map<string, PublishedOrigin>();
    for await (const [origin, value] of this.#connection.scanHash(this.#key, PAGE)) {
      const [size, note = ""] = value.split(" ");
      byOrigin.set(origin, { origin, size: Number(size), note: new Uint8Array(Buffer.from(note, "base64")) });
    }
    return [...byOrigin.values()];
  }

  async close(): Promise<void> {
    this.#connection.close();
  }
}
