/** Opens the audit log that the settings name; without one, verdicts are not kept. */
import { existsSync } from "node:fs";
import { mkdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  AuditError,
  AuditLog,
  type AuditSink,
  MemoryOriginRegistry,
  type OriginRegistry,
  openJsonlSink,
} from "@kavach/audit";
import { bundleToBytes, KavachKeyPair, type KeyRing } from "@kavach/crypto";
import type { Clock } from "@kavach/model";
import { ConfigError, type Report } from "@kavach/service";
import type { Config } from "./config.ts";
import { KeyFile, ringOf, takeInto } from "./key-files.ts";
import { KeyUses } from "./key-uses.ts";
import { openLastingSink } from "./lasting-sink.ts";

export interface NodeAudit extends AuditSink {
  /** Takes the key's file again. Resolves with whether it holds another key; rejects when it holds none, and then the key stays. */
  reload(): Promise<boolean>;
}

export interface AuditOpening {
  /** What the node's other keys are for. Absent: there are none. */
  readonly uses?: KeyUses;
  readonly report: Report;
  /** What the operator must hear at the start. */
  readonly say: (what: string) => void;
}

/** Longest part of a log's name that comes from the node's. */
const NAME_LENGTH_MAX = 150;

/** Rejects with ConfigError; with a shared store, as its registry does. */
export async function openAudit(
  config: Config,
  nodeId: string,
  clock: Clock,
  { report, say, uses = new KeyUses() }: AuditOpening,
): Promise<NodeAudit | undefined> {
  const lasting = (open: () => Promise<AuditSink>) =>
    openLastingSink(open, {
      onOpenedAnew: () => say("audit log was opened anew and goes on"),
      onFault: (error) => report(error, "audit log not opened anew; tried again"),
    });
  if (config.audit_log !== undefined) return await openLines(config.audit_log, lasting);
  const folder = config.audit_dir;
  if (folder === undefined) return undefined;
  const key = await openKey(config, folder, clock, { say, uses });
  const name = `kavach/${encodeURIComponent(nodeId).slice(0, NAME_LENGTH_MAX)}`;
  const { registry, close: closeRegistry } = await openRegistry(config, report);
  const options = { folder, keyRing: key.ring, clock, name, registry, report };
  const open = async () => {
    const log = await AuditLog.open(options);
    sayOpening(log, say);
    return log;
  };
  const log = await openOrGiveUp(folder, lasting(open), closeRegistry);
  return {
    get stopped() {
      return log.stopped;
    },
    append: (record) => log.append(record),
    reload: key.reload,
    async close() {
      try {
        await log.close();
      } finally {
        await closeRegistry();
      }
    },
  };
}

function sayOpening({ origin, opening }: AuditLog, say: AuditOpening["say"]): void {
  const { abandoned, cutBytes } = opening;
  if (abandoned !== undefined) {
    say(`audit log ${abandoned.origin} is ${abandoned.why} and not continued; ${origin} was begun`);
  }
  if (cutBytes > 0) say(`audit log ${origin}: ${cutBytes} bytes of a torn entry were cut off; nobody was told of it`);
}

async function openOrGiveUp(folder: string, log: Promise<AuditSink>, giveUp: () => Promise<void>): Promise<AuditSink> {
  try {
    return await named(folder, log);
  } catch (error) {
    await giveUp();
    throw error;
  }
}

async function openLines(
  file: string,
  lasting: (open: () => Promise<AuditSink>) => Promise<AuditSink>,
): Promise<NodeAudit> {
  const sink = await lasting(() => openJsonlSink(file)).catch((error: NodeJS.ErrnoException) => {
    throw new ConfigError(`audit_log: cannot open ${file}: ${error.code}`, { cause: error });
  });
  return Object.assign(sink, { reload: async () => false });
}

interface AuditKey {
  readonly ring: KeyRing;
  readonly reload: () => Promise<boolean>;
}

/** The file that the settings name may change; a key that lies in the log's own folder does not. */
async function openKey(
  { audit_key, passphrase_file }: Config,
  folder: string,
  clock: Clock,
  { say, uses }: Required<Pick<AuditOpening, "say" | "uses">>,
): Promise<AuditKey> {
  if (audit_key === undefined) {
    const active = await named(folder, keyOfFolder(folder, clock, say));
    uses.claim("audit_dir", active.publicKeys());
    return { ring: ringOf("audit_dir", active, clock), reload: async () => false };
  }
  const file = new KeyFile("audit_key", audit_key, passphrase_file);
  const claim = (keyPair: KavachKeyPair) => uses.claim("audit_key", keyPair.publicKeys());
  const active = await file.open();
  claim(active);
  const ring = ringOf("audit_key", active, clock);
  return {
    ring,
    async reload() {
      const found = await file.changed();
      return found !== undefined && takeInto("audit_key", ring, found, claim);
    },
  };
}

/** Faults name the setting and the folder. */
async function named<T>(folder: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (error instanceof ConfigError || code === undefined) throw error;
    const why = error instanceof AuditError ? error.message : `cannot be written: ${code}`;
    throw new ConfigError(`audit_dir: ${folder}: ${why}`, { cause: error });
  }
}

/** With a shared store the list of logs is kept there, so that a disk which vanishes or is set back is missed. */
async function openRegistry(
  { store }: Config,
  report: Report,
): Promise<{ readonly registry: OriginRegistry; readonly close: () => Promise<void> }> {
  if (store === "memory") return { registry: new MemoryOriginRegistry(), close: async () => {} };
  const { RedisOriginRegistry } = await import("@kavach/store-redis");
  const registry = await RedisOriginRegistry.fromUrl(store, {
    onError: (error) => report(error, "connection of the list of audit logs"),
  });
  return { registry, close: () => registry.close() };
}

/** For a single node, whose log is verified by the key that lies beside it. */
async function keyOfFolder(folder: string, clock: Clock, say: (what: string) => void): Promise<KavachKeyPair> {
  const [path, publicPath] = [join(folder, "audit.key"), join(folder, "audit.pub")];
  const writePublic = async (one: KavachKeyPair) => {
    await writeFile(`${publicPath}.new`, bundleToBytes(one.publicKeys()), { mode: 0o644 });
    await rename(`${publicPath}.new`, publicPath);
  };
  if (existsSync(path)) {
    const known = await new KeyFile("audit_dir", path, undefined).open();
    // A start that was killed, or found no room, has left the one without the other.
    if (!existsSync(publicPath)) await writePublic(known);
    return known;
  }
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const keyPair = KavachKeyPair.generate({ clock });
  await keyPair.saveToFile(path);
  await writePublic(keyPair);
  say(`audit key was made at this start: ${path}; keep audit.pub elsewhere to verify the log by`);
  return keyPair;
}
