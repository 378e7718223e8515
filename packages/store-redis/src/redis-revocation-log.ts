/** The RevocationLog on one Redis server that is never failed over: a stream, marks, floors and a head that knows its server. */
import type { RealmFloor, Revision, RevocationRecord, RevocationSnapshot } from "@kavach/model";
import {
  type AppendRequest,
  type Head,
  HISTORY_RECORDS_DEFAULT,
  IDEMPOTENCY_MS,
  knowsMore,
  LogError,
  type ReadResult,
  type RevocationLog,
  targetKey,
} from "@kavach/store";
import { Bell } from "./bell.ts";
import { Connection } from "./connection.ts";
import { type LogKeys, logKeys } from "./keys.ts";
import { answered, floorOf, markOf, recordOf, revisionAt } from "./log-wire.ts";
import { type CheckedOptions, checkOptions, inRange, type RedisOptions } from "./options.ts";
import { SCRIPTS } from "./scripts.generated.ts";
import { checkDurable } from "./server-check.ts";

export interface RedisRevocationLogOptions extends RedisOptions {
  /**
   * True (the default): refuse a server that answers before a record is on its disk, and carry the log over a restart. False: a restart
   * loses all logins.
   */
  readonly durable?: boolean;
  /** Records kept for readers that come back, 1 to 1,000,000; default 10,000. */
  readonly historyMax?: number;
}

type CheckedLogOptions = CheckedOptions & Required<Pick<RedisRevocationLogOptions, "durable" | "historyMax">>;

/** Default deadline of a call, milliseconds. A durable append waits for the disk. */
const COMMAND_TIMEOUT_MS = 500;
/** Marks or floors fetched with one call. */
const PAGE = 1000;

type Opened = Awaited<ReturnType<RevocationLog["open"]>>;

export class RedisRevocationLog implements RevocationLog {
  readonly #url: string;
  readonly #connection: Connection;
  readonly #options: CheckedLogOptions;
  readonly #keys: LogKeys;
  /** The generation that this process opened; it writes in no other. */
  #generation: number | undefined;
  #bell: Bell | undefined;

  private constructor(url: string, connection: Connection, options: CheckedLogOptions) {
    this.#url = url;
    this.#connection = connection;
    this.#options = options;
    this.#keys = logKeys(options.prefix);
  }

  /**
   * Connects to one primary of Redis 7 or newer, whose maxmemory-policy is noeviction and, with `durable`, which writes its
   * append-only file before it answers. Rejects with RedisSetupError where URL, options or server cannot be used, and with
   * UnavailableError within `connectTimeoutMs` where no server answers.
   */
  static async fromUrl(url: string, options: RedisRevocationLogOptions = {}): Promise<RedisRevocationLog> {
    const checked = {
      ...checkOptions(options, COMMAND_TIMEOUT_MS, ["durable", "historyMax"]),
      durable: options.durable ?? true,
      historyMax: inRange("historyMax", options.historyMax ?? HISTORY_RECORDS_DEFAULT, 1_000_000),
    };
    const scripts = [SCRIPTS.logOpen, SCRIPTS.logAppend, SCRIPTS.logHead, SCRIPTS.logRead];
    const connection = await Connection.open(url, "log", scripts, checked);
    try {
      if (checked.durable) checkDurable(await connection.facts());
    } catch (error) {
      connection.close();
      throw error;
    }
    return new RedisRevocationLog(url, connection, checked);
  }

  async open(known: Revision): Promise<Opened> {
    const { head, history, floors, bell } = this.#keys;
    // Asked of the server again: it may be another one than at the start.
    const durable = this.#options.durable && (await this.#connection.facts()).durable;
    const args = [known.generation, known.number, durable ? 1 : 0, bell];
    const reply = answered(await this.#connection.run(SCRIPTS.logOpen, [head, history, floors], args));
    const opened = revisionAt(reply, 1);
    this.#generation = opened.generation;
    return { head: opened, outcome: reply[0] as Opened["outcome"] };
  }

  async append(request: AppendRequest): Promise<Revision> {
    if (this.#generation === undefined)
      throw new LogError("NOT_OPEN", "the revocation log was not opened by this process");
    const { head, history, marks, floors, retry, bell } = this.#keys;
    const { realm, scope, idempotencyKey } = request;
    const target = targetKey(realm, scope.target);
    const reply = await this.#connection.run(
      SCRIPTS.logAppend,
      [head, history, marks, floors, retry(JSON.stringify([idempotencyKey, target]))],
      [
        this.#generation,
        realm,
        scope.target.kind === "realm" ? "" : target,
        JSON.stringify(scope),
        idempotencyKey === "" ? 0 : 1,
        IDEMPOTENCY_MS,
        this.#options.historyMax,
        bell,
      ],
    );
    return revisionAt(answered(reply), 1);
  }

  async head(): Promise<Head> {
    const reply = answered(await this.#connection.run(SCRIPTS.logHead, [this.#keys.head], []));
    return { head: revisionAt(reply, 1), storeTimeMs: Number(reply[3]) };
  }

  async read(from: Revision | undefined, limit: number): Promise<ReadResult> {
    const reply = await this.#read(from, limit);
    const head = revisionAt(reply, 1);
    switch (reply[0]) {
      case "records": {
        const entries = reply[3] as readonly unknown[];
        return { kind: "records", records: entries.map((entry) => recordOf(entry, head.generation)), head };
      }
      case "resync":
        return { kind: "resync", snapshot: await this.#snapshot(head) };
      default:
        throw knowsMore(from ?? head, head);
    }
  }

  watch(ring: () => void): () => void {
    this.#bell ??= new Bell(this.#url, this.#keys.bell, this.#options);
    return this.#bell.add(ring);
  }

  async close(): Promise<void> {
    this.#bell?.close();
    this.#connection.close();
  }

  async #read(from: Revision | undefined, limit: number): Promise<readonly [string, ...unknown[]]> {
    const args = [from?.generation ?? "", from?.number ?? "", limit];
    return answered(await this.#connection.run(SCRIPTS.logRead, [this.#keys.head, this.#keys.history], args));
  }

  /**
   * All marks and floors of `head` at least. They come in pages, so later ones may be among them, which does no harm: marks and floors
   * are only ever added and raised, and the reader goes on from `head`. A log that was opened anew meanwhile is an error.
   */
  async #snapshot(head: Revision): Promise<RevocationSnapshot> {
    const marks = new Map<string, RevocationRecord>();
    for await (const [target, text] of this.#connection.scanHash(this.#keys.marks, PAGE))
      marks.set(target, markOf(target, text));
    const floors = new Map<string, RealmFloor>();
    for await (const [realm, text] of this.#connection.scanHash(this.#keys.floors, PAGE))
      floors.set(realm, floorOf(realm, text));
    const now = await this.head();
    if (now.head.generation !== head.generation) {
      throw new LogError("OTHER_INCARNATION", "the log was opened again while it was read");
    }
    return { head, floors: [...floors.values()], marks: [...marks.values()] };
  }
}
