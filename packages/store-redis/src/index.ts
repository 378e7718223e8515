/** Both ports on Redis, whole and by facets. */
export {
  type RedisBroadcasterOptions,
  RedisInvalidationBroadcaster,
  RedisRateLimitStore,
  RedisSessionStore,
} from "./facets.ts";
export type { RedisOptions } from "./options.ts";
export { type PublishedOrigin, RedisOriginRegistry } from "./redis-origin-registry.ts";
export { RedisRevocationLog, type RedisRevocationLogOptions } from "./redis-revocation-log.ts";
export { RedisStore, type RedisStoreOptions } from "./redis-store.ts";
export { type RedisSetupCode, RedisSetupError } from "./setup-error.ts";
