/** A process for the crash tests: writes a log as fast as it can, and tells of each entry once it was acknowledged. Killed from outside. */
import { writeSync } from "node:fs";
import { KavachKeyPair } from "@kavach/crypto";
import { auditRecord } from "../record-fixture.ts";
import { AuditLog } from "./audit-log.ts";

const [folder = "", secret = "", from = "0"] = process.argv.slice(2);
const keyPair = KavachKeyPair.fromSecretBytes(Buffer.from(secret, "base64"));
const log = await AuditLog.open({ folder, keyPair, checkpointEveryMs: 10, segmentBytesMax: 64 * 1024 });
let next = Number(from);

async function write(): Promise<void> {
  for (;;) {
    const n = next++;
    await log.append(auditRecord({ principalId: `agent-${n}` }));
    // Synchronous: what was told must not wait in a buffer that dies with the process.
    writeSync(1, `${n}\n`);
  }
}

await Promise.all(Array.from({ length: 16 }, write));
