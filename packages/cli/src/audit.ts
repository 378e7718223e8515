/** `kavach audit`: verifies the logs that gate-nodes keep, from their files, by checkpoints that the cluster's audit keys signed. */
import { basename, dirname } from "node:path";
import {
  AuditLogError,
  newestCheckpoint,
  type OriginResult,
  originFolder,
  originFoldersIn,
  type Progress,
  type PublishedCheckpoint,
  readCheckpoint,
  type TrustedKeys,
  verifyLog,
  verifyOrigins,
} from "@kavach/audit";
import { bundleFromBytes, KEY_FILE_BYTES_MAX, readAtMost, SUITES, type Suite } from "@kavach/crypto";
import { ConfigError } from "@kavach/service";
import { Command, Option } from "commander";
import { readable } from "./reading.ts";

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
  readonly json?: boolean;
}

const MIB = 1024 * 1024;
/** One is some 5 KiB. */
const CHECKPOINT_BYTES_MAX = 64 * 1024;

const HELP = `
Exit status:
  0  every log verified
  1  a log did not verify
  2  nobody knows of a log: a file or the store cannot be read, a folder holds no log, or an option is missing

With --json, a line for each log: {"origin","ok":true,"proven","unproven","checkpoints","provenAtMs"}
or {"origin","ok":false,"code","index","message"}; code UNREADABLE: its files cannot be read. Progress goes to the standard error output.`;

/** A log did not verify. Every other error means that nobody knows. */
class LogsFailed extends Error {
  readonly code = "LOGS_FAILED";
  readonly exitCode = 1;
}

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
    .option("--json", "results as lines of JSON")
    .addHelpText("after", HELP)
    .exitOverride((error) => {
      throw withExitCode(error, error.exitCode === 0 ? 0 : 2);
    })
    .action(async (options: VerifyOptions) => {
      try {
        await verify(world, options);
      } catch (error) {
        throw error instanceof LogsFailed ? error : withExitCode(error, 2);
      } finally {
        world.progress("");
      }
    });
  return audit;
}

const withExitCode = (error: unknown, exitCode: number) =>
  Object.assign(error instanceof Error ? error : new Error(String(error)), { exitCode });

async function verify(world: AuditWorld, options: VerifyOptions): Promise<void> {
  const trust: TrustedKeys = { bundles: await Promise.all(options.key.map(readKey)), suite: options.suite };
  const files = await Promise.all((options.checkpoint ?? []).map(readPublished));
  const listed = [...files, ...(options.store === undefined ? [] : await listOf(options.store))];
  const named = new Set(listed.flatMap(({ origin }) => options.dir.map((dir) => originFolder(dir, origin))));
  const byDir = await Promise.all(options.dir.map((dir) => readable("--dir", dir, originFoldersIn)));
  const folders = byDir.flat();
  const unlisted = folders.filter((folder) => !named.has(folder));
  const own: OwnCheckpoint[] = [];
  for (const folder of folders) own.push(...(await ownCheckpoint(folder)));
  const onProgress = (at: Progress) => world.progress(progressText(at));
  const results: readonly OriginResult[] = [
    ...(await verifyOrigins({ ...trust, folders: options.dir, published: [...listed, ...own], onProgress })),
    ...(await verifyRest(unlisted, new Set(own.map(({ folder }) => folder)), { ...trust, onProgress })),
  ];
  world.progress("");
  for (const result of results) world.print(inOneLine(options.json === true ? jsonOf(result) : textOf(result)));
  expectVerified(results);
  const empty = options.dir.filter((_, i) => byDir[i]?.length === 0);
  if (empty.length > 0) {
    throw new ConfigError(`no audit log in ${empty.join(", ")}; --dir names what --audit-dir of a node does`);
  }
  if (unlisted.length > 0 && options.json !== true) {
    world.print(
      "Held to checkpoints of the same disk alone: a log that was set back or removed as a whole is not noticed.",
    );
  }
}

function expectVerified(results: readonly OriginResult[]): void {
  const count = (wanted: OriginResult["kind"]) => results.filter(({ kind }) => kind === wanted).length;
  const [failed, unreadable] = [count("failed"), count("unreadable")];
  if (failed > 0) throw new LogsFailed(`${failed} of ${results.length} logs did not verify`);
  if (unreadable > 0) throw new ConfigError(`${unreadable} of ${results.length} logs cannot be read`);
}

interface OwnCheckpoint extends PublishedCheckpoint {
  readonly folder: string;
}

/**
 * The newest checkpoint of a log as it lies beside it: copies of the log in other folders are held to it as well.
 * None where it cannot be read, or is of a log that belongs into another folder.
 */
async function ownCheckpoint(folder: string): Promise<OwnCheckpoint[]> {
  const newest = await newestCheckpoint(folder);
  if (newest === undefined || originFolder(dirname(folder), newest.origin) !== folder) return [];
  return [{ ...newest, folder }];
}

/** Logs whose newest checkpoint is no help, each by itself. */
async function verifyRest(
  folders: readonly string[],
  done: ReadonlySet<string>,
  options: TrustedKeys & { readonly onProgress: (at: Progress) => void },
): Promise<OriginResult[]> {
  const results: OriginResult[] = [];
  for (const folder of folders.filter((one) => !done.has(one))) {
    try {
      const log = await verifyLog({ ...options, folder });
      if (originFolder(dirname(folder), log.origin) !== folder) {
        throw new AuditLogError("ORIGIN_MISMATCH", `the folder holds the log '${log.origin}'`);
      }
      results.push({ kind: "verified", log });
    } catch (error) {
      results.push(failureOf(basename(folder), error));
    }
  }
  return results;
}

/** Throws what is neither about the log nor about its files. */
function failureOf(origin: string, error: unknown): OriginResult {
  if (error instanceof AuditLogError) return { kind: "failed", origin, error };
  if ((error as NodeJS.ErrnoException).syscall === undefined) throw error;
  return { kind: "unreadable", origin, error: error as NodeJS.ErrnoException };
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
  const content = await readable("--key", file, (path) => readAtMost(path, KEY_FILE_BYTES_MAX));
  try {
    return bundleFromBytes(content);
  } catch {
    throw new ConfigError(`${file} holds no public keys`);
  }
}

async function readPublished(file: string): Promise<PublishedCheckpoint> {
  const note = await readable("--checkpoint", file, (path) => readAtMost(path, CHECKPOINT_BYTES_MAX));
  try {
    const { origin, size } = readCheckpoint(note);
    return { origin, size, note };
  } catch {
    throw new ConfigError(`${file} is no checkpoint`);
  }
}

function textOf(result: OriginResult): string {
  if (result.kind === "failed") {
    const { origin, error } = result;
    return `FAILED  ${origin}: ${error.code}: ${error.message}`;
  }
  if (result.kind === "unreadable") return `UNKNOWN ${result.origin}: cannot be read: ${result.error.message}`;
  const { origin, proven, unproven, checkpoints, provenAtMs } = result.log;
  const time = new Date(provenAtMs).toISOString();
  const rest = unproven === 0 ? "" : `, ${unproven} behind it unproven`;
  return `ok      ${origin}: ${proven} entries proven by ${checkpoints} checkpoints, the newest of ${time}${rest}`;
}

/** Names come from disks in anybody's hands: none may begin a line of its own, or tell the terminal what to show. */
function inOneLine(text: string): string {
  const escaped = (unit: string) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (found) => found.split("").map(escaped).join(""));
}

function jsonOf(result: OriginResult): string {
  if (result.kind === "verified") return JSON.stringify({ ok: true, ...result.log });
  if (result.kind === "unreadable") {
    return JSON.stringify({
      ok: false,
      origin: result.origin,
      code: "UNREADABLE",
      index: null,
      message: result.error.message,
    });
  }
  const { code, index = null, message } = result.error;
  return JSON.stringify({ ok: false, origin: result.origin, code, index, message });
}

function progressText({ origin, entries, bytes, bytesTotal }: Progress): string {
  const percent = bytesTotal === 0 ? 100 : Math.floor((100 * bytes) / bytesTotal);
  return `${origin}: ${percent} % of ${Math.ceil(bytesTotal / MIB)} MiB, ${entries} entries`;
}
