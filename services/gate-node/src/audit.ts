/** Opens the audit sink that the settings name; without one, verdicts are not kept. */
import { type AuditSink, openJsonlSink } from "@kavach/audit";
import type { Config } from "./config.ts";

const NO_SINK: AuditSink = { append: async () => {}, close: async () => {} };

export async function openAudit(config: Config): Promise<AuditSink> {
  return config.audit_log === undefined ? NO_SINK : await openJsonlSink(config.audit_log);
}
