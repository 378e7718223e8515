/** The ports on Redis, apart from each other: limits here, sessions there, invalidations for whoever shares the channel. */
import { DEFAULT_REALM, type InvalidationScope, type Revision, ZERO_REVISION } from "@kavach/model";
import {
  type AdmitRequest,
  type AdmitResult,
  type InvalidationBroadcaster,
  LogError,
  type OpenSessionRequest,
  type RateLimitStore,
  type RevocationLog,
  type SessionStore,
  type StoredSession,
} from "@kavach/store";
import { RedisRevocationLog, type RedisRevocationLogOptions } from "./redis-revocation-log.ts";
import { RedisStore, type RedisStoreOptions } from "./redis-store.ts";
import { RedisSetupError } from "./setup-error.ts";

/** Counts limits once for all processes that share the server. */
export class RedisRateLimitStore implements RateLimitStore {
  readonly #store: RedisStore;

  private constructor(store: RedisStore) {
    this.#store = store;
  }

  /** Rejects as `RedisStore.fromUrl` does, within five seconds where no server answers. */
  static async fromUrl(url: string, options: RedisStoreOptions = {}): Promise<RedisRateLimitStore> {
    return new RedisRateLimitStore(await RedisStore.fromUrl(url, options));
  }

  async admit(request: AdmitRequest): Promise<AdmitResult> {
    return await this.#store.admit(request);
  }

  async ping(): Promise<void> {
    await this.#store.ping();
  }

  async close(): Promise<void> {
    await this.#store.close();
  }
}

/** Keeps sessions for all processes that share the server. */
export class RedisSessionStore implements SessionStore {
  readonly #store: RedisStore;

  private constructor(store: RedisStore) {
    this.#store = store;
  }

  /** Rejects as `RedisStore.fromUrl` does, within five seconds where no server answers. */
  static async fromUrl(url: string, options: RedisStoreOptions = {}): Promise<RedisSessionStore> {
    return new RedisSessionStore(await RedisStore.fromUrl(url, options));
  }

  async admit(request: AdmitRequest): Promise<AdmitResult> {
    return await this.#store.admit(request);
  }

  async openSession(request: OpenSessionRequest): Promise<StoredSession> {
    return await this.#store.openSession(request);
  }

  async getSession(realm: string, principalId: string, sessionId: string): Promise<StoredSession | undefined> {
    return await this.#store.getSession(realm, principalId, sessionId);
  }

  async listSessions(realm: string, principalId: string): Promise<readonly StoredSession[]> {
    return await this.#store.listSessions(realm, principalId);
  }

  async closeSession(realm: string, principalId: string, sessionId: string): Promise<boolean> {
    return await this.#store.closeSession(realm, principalId, sessionId);
  }

  async ping(): Promise<void> {
    await this.#store.ping();
  }

  async close(): Promise<void> {
    await this.#store.close();
  }
}

export interface RedisBroadcasterOptions extends Omit<RedisRevocationLogOptions, "prefix"> {
  /** Who shares it hears of each other. Begins every key; default `kavach`, the log of a cluster on this server. */
  readonly channel?: string;
}

/**
 * Tells invalidations to every process that shares the channel. They are kept in a log, so none is lost to who was away; Pub/Sub only
 * rings. `durable` is off by default: a server that was restarted without its file ends every session that began before.
 */
export class RedisInvalidationBroadcaster implements InvalidationBroadcaster {
  readonly log: RevocationLog;
  readonly local: boolean = false;

  private constructor(log: RevocationLog) {
    this.log = log;
  }

  /** Rejects as `RedisRevocationLog.fromUrl` does, within five seconds where no server answers. */
  static async fromUrl(url: string, options: RedisBroadcasterOptions = {}): Promise<RedisInvalidationBroadcaster> {
    const { channel, ...rest } = options;
    if (Object.hasOwn(rest, "prefix")) throw new RedisSetupError("OPTION_INVALID", "say 'channel', not 'prefix'");
    const prefix = channel !== undefined && { prefix: channel };
    const log = await RedisRevocationLog.fromUrl(url, { durable: false, ...rest, ...prefix });
    await log.open(ZERO_REVISION);
    return new RedisInvalidationBroadcaster(log);
  }

  async publish(scope: InvalidationScope, options: { readonly realm?: string } = {}): Promise<Revision> {
    const request = { realm: options.realm ?? DEFAULT_REALM, scope, idempotencyKey: "" };
    try {
      return await this.log.append(request);
    } catch (error) {
      if (!(error instanceof LogError)) throw error;
      await this.log.open(ZERO_REVISION);
      return await this.log.append(request);
    }
  }

  async close(): Promise<void> {
    await this.log.close();
  }
}
