/** The Store on one Redis primary. Every method is one script call; the scripts read the server's own clock. */
import { Bug, LIMITS } from "@kavach/model";
import type {
  AdmitRequest,
  AdmitResult,
  OpenSessionRequest,
  RedeemRequest,
  RedeemResult,
  Store,
  StoredSession,
} from "@kavach/store";
import { admitCall, admitResult, hexOf, sessionFacts, storedSession } from "./admit-wire.ts";
import { Connection, type ScriptRunner } from "./connection.ts";
import { type PrincipalKeys, StoreKeys } from "./keys.ts";
import { checkOptions, type RedisOptions } from "./options.ts";
import { SCRIPTS } from "./scripts.generated.ts";

export interface RedisStoreOptions extends RedisOptions {}

/** Default deadline of a call, milliseconds. */
const COMMAND_TIMEOUT_MS = 50;

interface StoreConnection extends ScriptRunner {
  ping(): Promise<void>;
  close(): void;
}

export class RedisStore implements Store {
  readonly #connection: StoreConnection;
  readonly #keys: StoreKeys;

  /** `connection` is open; `prefix` as in the options. Most callers want `fromUrl`. */
  constructor(connection: StoreConnection, prefix: string) {
    this.#connection = connection;
    this.#keys = new StoreKeys(prefix);
  }

  /**
   * Connects to one primary of Redis 7 or newer, whose maxmemory-policy is noeviction. Rejects with RedisSetupError where URL, options
   * or server cannot be used, and with UnavailableError within `connectTimeoutMs` where no server answers.
   */
  static async fromUrl(url: string, options: RedisStoreOptions = {}): Promise<RedisStore> {
    const checked = checkOptions(options, COMMAND_TIMEOUT_MS);
    const { admit, redeem, sessionOpen, sessionGet, sessionClose } = SCRIPTS;
    const scripts = [admit, redeem, sessionOpen, sessionGet, sessionClose, SCRIPTS.sessionList];
    return new RedisStore(await Connection.open(url, "store", scripts, checked), checked.prefix);
  }

  async admit(request: AdmitRequest): Promise<AdmitResult> {
    const { keys, args } = admitCall(request, this.#keysOf(request.realm, request.principalId));
    return admitResult(await this.#connection.run(SCRIPTS.admit, keys, args), request);
  }

  async redeem(request: RedeemRequest): Promise<RedeemResult> {
    const key = this.#keysOf(request.realm, request.principalId).redeemed(hexOf(request.tokenId));
    const answer = await this.#connection.run(SCRIPTS.redeem, [key], [request.expiresAtMs, LIMITS.redeemedGraceMs]);
    if (answer === "redeemed" || answer === "already_redeemed" || answer === "expired") return answer;
    throw new Bug("the redeem script gave no answer");
  }

  async openSession(request: OpenSessionRequest): Promise<StoredSession> {
    const { realm, principal, id, lifetimeMs } = request;
    const keys = this.#keysOf(realm, principal.id);
    const args = [id, lifetimeMs, sessionFacts(principal.roles, request)];
    const session = await this.#connection.run(SCRIPTS.sessionOpen, [keys.session(id), keys.sessionIndex()], args);
    if (!Array.isArray(session)) throw new Bug("a session id was issued twice");
    return storedSession(id, principal.id, session);
  }

  async getSession(realm: string, principalId: string, sessionId: string): Promise<StoredSession | undefined> {
    const key = this.#keysOf(realm, principalId).session(sessionId);
    const session = await this.#connection.run(SCRIPTS.sessionGet, [key], []);
    return Array.isArray(session) ? storedSession(sessionId, principalId, session) : undefined;
  }

  async listSessions(realm: string, principalId: string): Promise<readonly StoredSession[]> {
    const key = this.#keysOf(realm, principalId).sessionIndex();
    const ids = (await this.#connection.run(SCRIPTS.sessionList, [key], [])) as string[];
    const sessions = await Promise.all(ids.map(async (id) => await this.getSession(realm, principalId, id)));
    return sessions.filter((session) => session !== undefined);
  }

  async closeSession(realm: string, principalId: string, sessionId: string): Promise<boolean> {
    const keys = this.#keysOf(realm, principalId);
    const wanted = [keys.session(sessionId), keys.sessionIndex()];
    return (await this.#connection.run(SCRIPTS.sessionClose, wanted, [sessionId])) === 1;
  }

  async ping(): Promise<void> {
    await this.#connection.ping();
  }

  async close(): Promise<void> {
    this.#connection.close();
  }

  #keysOf(realm: string, principalId: string): PrincipalKeys {
    return this.#keys.principal(realm, principalId);
  }
}
