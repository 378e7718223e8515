/** Opens the audit log that the settings name; without one, verdicts are not kept. */
import { existsSync } from "node:fs";
import { mkdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  AuditError,
  AuditLog,
  type AuditLogOptions,
  type AuditSink,
  MemoryOriginRegistry,
  type OriginRegistry,
  openJsonlSink,
} from "@kavach/audit";
import { bundleToBytes, CryptoError, KavachKeyPair, KeyRing } from "@kavach/crypto";
import type { Clock } from "@kavach/model";
import { ConfigError, type Report } from "@kavach/service";
import type { Config } from "./config.ts";
import { openKeyPair, readKeyFile, readKeyPair, rotate } from "./key-files.ts";

export interface NodeAudit extends AuditSink {
  /** Takes the key's file again. Resolves with whether it holds another key; rejects when it holds none, and then the key stays. */
  reload(): Promise<boolean>;
}

export interface AuditReports {
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
  { report, say }: AuditReports,
): Promise<NodeAudit | undefined> {
  if (config.audit_log !== undefined) return await openLines(config.audit_log);
  const folder = config.audit_dir;
  if (folder === undefined) return undefined;
  const key = await openKey(config, folder, clock, say);
  const name = `kavach/${encodeURIComponent(nodeId).slice(0, NAME_LENGTH_MAX)}`;
  const { registry, close: closeRegistry } = await openRegistry(config, report);
  const log = await openLog({ folder, keyRing: key.ring, clock, name, registry, report }, closeRegistry);
  const { abandoned, cutBytes } = log.opening;
  if (abandoned !== undefined) {
    say(`audit log ${abandoned.origin} is ${abandoned.why} and not continued; ${log.origin} was begun`);
  }
  if (cutBytes > 0)
    say(`audit log ${log.origin}: ${cutBytes} bytes of a torn entry were cut off; nobody was told of it`);
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

function ringOf(setting: string, active: KavachKeyPair, clock: Clock): KeyRing {
  try {
    return new KeyRing({ active, clock });
  } catch (error) {
    if (!(error instanceof CryptoError)) throw error;
    throw new ConfigError(`${setting}: ${error.message}`, { cause: error });
  }
}

async function openLog(options: AuditLogOptions, giveUp: () => Promise<void>): Promise<AuditLog> {
  try {
    return await named(options.folder, AuditLog.open(options));
  } catch (error) {
    await giveUp();
    throw error;
  }
}

async function openLines(file: string): Promise<NodeAudit> {
  const sink = await openJsonlSink(file).catch((error: NodeJS.ErrnoException) => {
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
  say: AuditReports["say"],
): Promise<AuditKey> {
  if (audit_key === undefined) {
    const active = await named(folder, keyOfFolder(folder, clock, say));
    return { ring: ringOf("audit_dir", active, clock), reload: async () => false };
  }
  const read = () => readKeyFile("audit_key", audit_key, (bytes) => bytes);
  const open = (content: Uint8Array) => openKeyPair("audit_key", audit_key, content, passphrase_file);
  let content = await read();
  const ring = ringOf("audit_key", await open(content), clock);
  return {
    ring,
    async reload() {
      const found = await read();
      if (Buffer.compare(found, content) === 0) return false;
      const next = await open(found);
      const isOther = next.id !== ring.active.id;
      if (isOther) rotate(ring, next);
      content = found;
      return isOther;
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
    const known = await readKeyPair("audit_dir", path, undefined);
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
