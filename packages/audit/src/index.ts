/** Audit records and where they go; the chain of format 1. */
export { AuditEntry, type AuditEntryOptions } from "./chain/entry.ts";
export { AuditChainError, type AuditChainErrorCode } from "./chain/errors.ts";
export { ManagedAuditChain, type ManagedChainOptions } from "./chain/managed-audit-chain.ts";
export { type ChainOptions, SignedAuditChain, type VerifyChainOptions } from "./chain/signed-audit-chain.ts";
export { AuditError, type AuditErrorCode } from "./errors.ts";
export { type AuditFile, JsonlAuditSink, type JsonlOptions, openJsonlSink } from "./jsonl-sink.ts";
export { type AuditRecord, type AuditVerdict, recordLine } from "./record.ts";
export { type AuditSink, MemoryAuditSink } from "./sink.ts";
