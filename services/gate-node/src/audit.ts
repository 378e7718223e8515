/** Opens the audit sink that the settings name; without one, verdicts are not kept. */
import { type AuditSink, openJsonlSink } from "@kavach/audit";
import type { Config } from "./config.ts";

export async function openAudit(config: Config): Promise<AuditSink | undefined> {
  return config.audit_log === undefined ? undefined : await openJsonlSink(config.audit_log);
}
