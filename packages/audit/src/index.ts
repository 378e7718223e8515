/** Audit records and where they go. */
export { AuditError, type AuditErrorCode } from "./errors.ts";
export { type AuditFile, JsonlAuditSink, type JsonlOptions, openJsonlSink } from "./jsonl-sink.ts";
export { type AuditRecord, type AuditVerdict, recordLine } from "./record.ts";
export { type AuditSink, MemoryAuditSink } from "./sink.ts";
