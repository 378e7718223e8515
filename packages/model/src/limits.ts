/** Every input limit (one table: proto rules, SDK and docs follow it). Sizes in UTF-8 bytes. */
export const LIMITS = Object.freeze({
  nameBytesMax: 256,
  resourceBytesMax: 1024,
  userAgentBytesMax: 1024,
  reasonBytesMax: 1024,
  stringParamBytesMax: 4096,
  rolesMax: 64,
  paramsMax: 64,
  audienceMax: 16,
  requestBytesMax: 64 * 1024,
  batchBytesMax: 4 * 1024 * 1024,
  batchItemsMax: 1000,
  permitBatchMax: 512,
  rateWindowMsMax: 30 * 24 * 3600 * 1000,
  /** Shortest and longest life of a permit. */
  permitTtlMsMin: 1000,
  permitTtlMsMax: 300_000,
  permitTtlMsDefault: 30_000,
  /** How far clocks of issuer and verifier may differ. */
  permitSkewMs: 2000,
  /** How long a redeemed permit is remembered past its expiry. */
  redeemedGraceMs: 5000,
});
