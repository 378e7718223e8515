/** `kavach audit`: verifies the logs that gate-nodes keep, from their files, by checkpoints that the cluster's audit keys signed. */
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import {
  AuditLogError,
  originFolder,
  originFoldersIn,
  type Progress,
  type PublishedCheckpoint,
  readCheckpoint,
  type TrustedKeys,
  type VerifiedLog,
  verifyLog,
  verifyOrigins,
} from "@kavach/audit";
import { bundleFromBytes, SUITES, type Suite } from "@kavach/crypto";
import { ConfigError } from "@kavach/service";
import { Command, Option } from "commander";

export interface AuditWorld {
  readonly print: (line: string) => void;
  /** Shows how far a long verification is; an empty line takes it away. */
  readonly progress: (line: string) => void;
}

interface VerifyOptions {
  readonly dir: readonly string[];
  readonly key: readonly string[];
  readonly checkpoint?: readonly string[];
  readonly store?: string;
  readonly suite: Suite;
}

const MIB = 1024 * 1024;

export function auditCommand(world: AuditWorld): Command {
  const audit = new Command("audit").description("verify the audit logs of a cluster");
  audit
    .command("verify")
    .description("read every log from front to back and hold it to the checkpoints that were signed over it")
    .requiredOption("--dir <folder...>", "audit folders of nodes (what --audit-dir names)")
    .requiredOption("--key <file...>", "public keys that sign checkpoints, now and formerly (audit.pub)")
    .option(
      "--checkpoint <file...>",
      "checkpoints from elsewhere than the nodes' disks; every log they name must be there",
    )
    .option("--store <url>", "redis://… of the cluster, whose list of logs is taken as checkpoints from elsewhere")
    .addOption(new Option("--suite <suite>", "signatures to demand").choices(SUITES).default("ml-dsa-65+ed25519"))
    .action(async (options: VerifyOptions) => verify(world, options));
  return audit;
}

async function verify(world: AuditWorld, options: VerifyOptions): Promise<void> {
  const trust: TrustedKeys = { bundles: await Promise.all(options.key.map(readKey)), suite: options.suite };
  const files = await Promise.all((options.checkpoint ?? []).map(readPublished));
  const published = [...files, ...(options.store === undefined ? [] : await listOf(options.store))];
  const onProgress = (at: Progress) => world.progress(progressText(at));
  const results = await verifyOrigins({ ...trust, folders: options.dir, published: newest(published), onProgress });
  let failures = 0;
  for (const result of results) {
    world.progress("");
    if (result.kind === "verified") world.print(verifiedText(result.log));
    else {
      failures++;
      world.print(failedText(result.origin, result.error));
    }
  }
  const listed = new Set(published.flatMap(({ origin }) => options.dir.map((dir) => originFolder(dir, origin))));
  const folders = (await Promise.all(options.dir.map(originFoldersIn))).flat().filter((folder) => !listed.has(folder));
  for (const folder of folders) failures += await verifyUnlisted(world, folder, { ...trust, onProgress });
  if (results.length + folders.length === 0) throw new ConfigError(`no audit log in ${options.dir.join(", ")}`);
  if (failures > 0) throw new ConfigError(`${failures} of ${results.length + folders.length} logs did not verify`);
  if (folders.length > 0) {
    world.print(
      "Held to checkpoints of the same disk alone: a log that was set back or removed as a whole is not noticed.",
    );
  }
}

/** The number of failures. */
async function verifyUnlisted(
  world: AuditWorld,
  folder: string,
  options: TrustedKeys & { readonly onProgress: (at: Progress) => void },
): Promise<number> {
  try {
    const log = await verifyLog({ ...options, folder });
    world.progress("");
    world.print(verifiedText(log));
    return 0;
  } catch (error) {
    if (!(error instanceof AuditLogError)) throw error;
    world.progress("");
    world.print(failedText(basename(folder), error));
    return 1;
  }
}

/** Of several checkpoints of one log, the one over most entries says the most. */
function newest(published: readonly PublishedCheckpoint[]): PublishedCheckpoint[] {
  const byOrigin = new Map<string, PublishedCheckpoint>();
  for (const one of published.toSorted((a, b) => a.size - b.size)) byOrigin.set(one.origin, one);
  return [...byOrigin.values()];
}

/** Loaded only where it is used: whoever verifies files needs no client of Redis. */
async function listOf(url: string): Promise<readonly PublishedCheckpoint[]> {
  const { RedisOriginRegistry } = await import("@kavach/store-redis");
  const registry = await RedisOriginRegistry.fromUrl(url);
  try {
    return await registry.list();
  } finally {
    await registry.close();
  }
}

async function readKey(file: string) {
  const content = await readFile(file);
  try {
    return bundleFromBytes(content);
  } catch {
    throw new ConfigError(`${file} holds no public keys`);
  }
}

async function readPublished(file: string): Promise<PublishedCheckpoint> {
  const note = await readFile(file);
  try {
    const { origin, size } = readCheckpoint(note);
    return { origin, size, note };
  } catch {
    throw new ConfigError(`${file} is no checkpoint`);
  }
}

function verifiedText({ origin, proven, unproven, checkpoints, provenAtMs }: VerifiedLog): string {
  const time = new Date(provenAtMs).toISOString();
  const rest = unproven === 0 ? "" : `, ${unproven} behind it unproven`;
  return `ok      ${origin}: ${proven} entries proven by ${checkpoints} checkpoints, the newest of ${time}${rest}`;
}

const failedText = (origin: string, { code, message }: AuditLogError) => `FAILED  ${origin}: ${code}: ${message}`;

function progressText({ origin, entries, bytes, bytesTotal }: Progress): string {
  const percent = bytesTotal === 0 ? 100 : Math.floor((100 * bytes) / bytesTotal);
  return `${origin}: ${percent} % of ${Math.ceil(bytesTotal / MIB)} MiB, ${entries} entries`;
}
