/** What the tests of logs have in common: a key, a clock, a folder, and logs in it. */
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HYBRID_SUITE, KavachKeyPair } from "@kavach/crypto";
import { auditRecord } from "../record-fixture.ts";
import { AuditLog } from "./audit-log.ts";
import type { AuditLogOptions } from "./settings.ts";

export const NOW_MS = 1_800_000_000_000;
/** Stands still until it is set. */
export const clock = { ms: NOW_MS, nowMs: () => clock.ms, monotonicMs: () => clock.ms };
export const keyPair = KavachKeyPair.generate({ clock });
export const trust = { bundles: [keyPair.publicKeys()], suite: HYBRID_SUITE };
export const record = (n: number) => auditRecord({ principalId: `agent-${n}` });

/** Checkpoints are made where the test asks for them, and at the end. */
export const openLog = (folder: string, options: Partial<AuditLogOptions> = {}) =>
  AuditLog.open({ folder, keyPair, clock, checkpointEveryMs: 60_000, ...options });

export async function appendAll(log: AuditLog, from: number, count: number): Promise<void> {
  await Promise.all(Array.from({ length: count }, (_, i) => log.append(record(from + i))));
}

export const newFolder = () => mkdtemp(join(tmpdir(), "kavach-log-"));
export const removeFolder = (folder: string) => rm(folder, { recursive: true });

/** The folder of the only origin in it. */
export async function originIn(folder: string): Promise<string> {
  const names = (await readdir(folder, { withFileTypes: true })).filter((entry) => entry.isDirectory());
  if (names.length !== 1) throw new Error(`${names.length} origins instead of one`);
  return join(folder, (names[0] as { name: string }).name);
}
