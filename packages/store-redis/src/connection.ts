/**
 * One connection to one Redis primary that fails fast: every call ends by its deadline, nothing is queued while the server is away,
 * nothing is sent twice, and a connection that has gone silent is replaced.
 */
import { type UnavailableCode, UnavailableError } from "@kavach/model";
import { type RedisOptions as ClientOptions, Redis } from "ioredis";
import { type Address, type CheckedOptions, parseAddress } from "./options.ts";
import { checkServer, type ServerFacts, serverFacts } from "./server-check.ts";

/** What the adapters need of a connection. */
export interface ScriptRunner {
  run(text: string, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown>;
}

/** Waits between attempts to connect again, at most. */
const RETRY_MS_MAX = 500;
/** With commands waiting and no byte from the server for so long, the connection is given up. */
const SILENCE_MS = 1000;
/** Commands in one write, at most. */
const HELD_MAX = 12;

export class Connection implements ScriptRunner {
  readonly #redis: Redis;
  readonly #code: UnavailableCode;
  readonly #commandTimeoutMs: number;
  readonly #shas = new Map<string, string>();
  /** Commands that wait for the end of the turn. */
  #held = 0;

  private constructor(redis: Redis, code: UnavailableCode, commandTimeoutMs: number) {
    this.#redis = redis;
    this.#code = code;
    this.#commandTimeoutMs = commandTimeoutMs;
  }

  /**
   * Connects, checks that the server is fit for `use` and loads `scripts`. Rejects with UnavailableError within `connectTimeoutMs`
   * where no server answers, and with RedisSetupError where one does that cannot be used.
   */
  static async open(
    url: string,
    use: "store" | "log",
    scripts: readonly string[],
    options: CheckedOptions,
  ): Promise<Connection> {
    const code = use === "store" ? "STORE_UNAVAILABLE" : "LOG_UNAVAILABLE";
    const address = parseAddress(url);
    const redis = new Redis(clientOptions(address, options));
    redis.on("error", options.onError);
    try {
      return await within(options.connectTimeoutMs, code, "no answer in time", async () => {
        await reach(redis, code);
        checkServer(await serverFacts(redis), use);
        const connection = new Connection(redis, code, options.commandTimeoutMs);
        for (const text of scripts) connection.#shas.set(text, String(await redis.script("LOAD", text)));
        return connection;
      });
    } catch (error) {
      redis.disconnect();
      if (error instanceof UnavailableError) throw unreachable(address, code, error);
      throw error;
    }
  }

  /** One round trip; a second one only where the server has lost the script. */
  run(text: string, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown> {
    return this.#ask(() => {
      this.#writeTogether();
      const sha = this.#shas.get(text);
      if (sha === undefined) return this.#redis.eval(text, keys.length, ...keys, ...args);
      return this.#redis.evalsha(sha, keys.length, ...keys, ...args).catch((error: unknown) => {
        if (!(error instanceof Error && error.message.startsWith("NOSCRIPT"))) throw error;
        return this.#redis.eval(text, keys.length, ...keys, ...args);
      });
    });
  }

  /** Fields and values of a hash, a page of about `count` with each call. A field that is there all the while comes at least once. */
  async *scanHash(key: string, count: number): AsyncGenerator<readonly [field: string, value: string]> {
    let cursor = "0";
    do {
      const from = cursor;
      const [next, page] = await this.#ask(async () => await this.#redis.hscan(key, from, "COUNT", count));
      for (let i = 0; i + 1 < page.length; i += 2) yield [page[i] as string, page[i + 1] as string];
      cursor = next;
    } while (cursor !== "0");
  }

  async facts(): Promise<ServerFacts> {
    return await this.#ask(async () => await serverFacts(this.#redis));
  }

  async ping(): Promise<void> {
    await this.#ask(async () => await this.#redis.ping());
  }

  close(): void {
    this.#redis.disconnect();
  }

  /**
   * Commands that one turn of the event loop sends go out in few writes, as a system call for each would cost more than the rest of it; but
   * not all in one, or server and client would wait for each other by turns.
   */
  #writeTogether(): void {
    const stream = this.#redis.stream as Redis["stream"] | undefined;
    if (stream === undefined) return;
    if (stream.writableCorked === 0) {
      stream.cork();
      process.nextTick(() => stream.uncork());
      this.#held = 0;
    } else if (this.#held === HELD_MAX) {
      stream.uncork();
      stream.cork();
      this.#held = 0;
    }
    this.#held += 1;
  }

  #ask<T>(send: () => Promise<T>): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const fail = (error: unknown) => {
      clearTimeout(timer);
      reject(new UnavailableError(this.#code, `Redis: ${messageOf(error)}`, { cause: error }));
    };
    const timer = setTimeout(() => {
      reject(new UnavailableError(this.#code, `no answer within ${this.#commandTimeoutMs} ms`));
    }, this.#commandTimeoutMs);
    try {
      send().then((answer) => {
        clearTimeout(timer);
        resolve(answer);
      }, fail);
    } catch (error) {
      fail(error);
    }
    return promise;
  }
}

export function clientOptions(address: Address, options: CheckedOptions): Omit<ClientOptions, "replyMapping"> {
  const { tls, ...where } = address;
  return {
    ...where,
    ...(tls && { tls: {} }),
    lazyConnect: true,
    connectTimeout: Math.min(options.connectTimeoutMs, 2000),
    socketTimeout: Math.max(SILENCE_MS, 2 * options.commandTimeoutMs),
    retryStrategy: (times) => Math.min(50 * times, RETRY_MS_MAX),
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    // The default waits up to ten seconds between looks while a server loads its data.
    maxLoadingRetryTime: RETRY_MS_MAX,
    autoResubscribe: false,
    disableClientInfo: true,
    connectionName: "kavach",
  };
}

/** Waits for a server that is on its way, but not for one that turns us away. */
async function reach(redis: Redis, code: UnavailableCode): Promise<void> {
  const ready = Promise.withResolvers<void>();
  let last: unknown;
  const onReady = () => ready.resolve();
  const onError = (error: Error) => {
    last = error;
    if (error.name === "ReplyError") ready.reject(new UnavailableError(code, error.message, { cause: error }));
  };
  const onEnd = () => ready.reject(new UnavailableError(code, messageOf(last), { cause: last }));
  redis.once("ready", onReady).on("error", onError).once("end", onEnd);
  try {
    // A first failure is no reason to give up: the client goes on trying, and `ready` or the deadline ends the wait.
    redis.connect().catch((error: unknown) => {
      last ??= error;
    });
    await ready.promise;
  } finally {
    redis.off("ready", onReady).off("error", onError).off("end", onEnd);
  }
}

function unreachable(address: Address, code: UnavailableCode, cause: UnavailableError): UnavailableError {
  return new UnavailableError(code, `cannot use Redis at ${address.host}:${address.port}: ${cause.message}`, { cause });
}

/** The result of `work`, or UnavailableError once `timeoutMs` have passed; what was asked may then still happen. */
async function within<T>(timeoutMs: number, code: UnavailableCode, late: string, work: () => Promise<T>): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const timer = setTimeout(() => reject(new UnavailableError(code, late)), timeoutMs);
  work().then(resolve, reject);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : "connection refused";
}
