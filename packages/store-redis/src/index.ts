/** Both ports on Redis. */
export type { RedisOptions } from "./options.ts";
export { RedisRevocationLog, type RedisRevocationLogOptions } from "./redis-revocation-log.ts";
export { RedisStore, type RedisStoreOptions } from "./redis-store.ts";
export { type RedisSetupCode, RedisSetupError } from "./setup-error.ts";
