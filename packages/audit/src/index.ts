/** Audit records and where they go: a signed log, its verification, and the chain of format 1. */
export { AuditEntry, type AuditEntryOptions } from "./chain/entry.ts";
export { AuditChainError, type AuditChainErrorCode } from "./chain/errors.ts";
export { ManagedAuditChain, type ManagedChainOptions } from "./chain/managed-audit-chain.ts";
export { type ChainOptions, SignedAuditChain, type VerifyChainOptions } from "./chain/signed-audit-chain.ts";
export { AuditError, type AuditErrorCode, AuditLogError, type AuditLogErrorCode } from "./errors.ts";
export { type AuditFile, JsonlAuditSink, type JsonlOptions, openJsonlSink } from "./jsonl-sink.ts";
export { AuditLog } from "./log/audit-log.ts";
export {
  type Checkpoint,
  newestCheckpoint,
  openCheckpoint,
  readCheckpoint,
  signCheckpoint,
  type TrustedKeys,
} from "./log/checkpoint.ts";
export { originFoldersIn } from "./log/layout.ts";
export { type Opening, originFolder } from "./log/opening.ts";
export type { Abandoned } from "./log/recovery.ts";
export { MemoryOriginRegistry, type OriginRegistry, type PublishedCheckpoint } from "./log/registry.ts";
export type { AuditLogOptions } from "./log/settings.ts";
export {
  type OriginResult,
  type Progress,
  type VerifiedLog,
  type VerifyLogOptions,
  type VerifyOriginsOptions,
  verifyLog,
  verifyOrigins,
} from "./log/verify.ts";
export { type AuditRecord, type AuditVerdict, recordLine } from "./record.ts";
export { type AuditSink, MemoryAuditSink } from "./sink.ts";
