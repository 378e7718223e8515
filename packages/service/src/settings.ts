/** The words that settings of services are written in, and how they are read: flags over KAVACH_… variables over whatever the service adds. */
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { Command, Option } from "commander";
import { z } from "zod";

/** A setting that is wrong, missing or unknown; the message names every fault, one a line. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly code = "CONFIG_INVALID";
}

/** `HOST:PORT`; an IPv6 host in brackets; port 0 is any free one. */
export const addressSetting = z
  .string()
  .regex(/^(\[[0-9a-fA-F:.]+\]|[^:[\]]+):\d{1,5}$/, "must be HOST:PORT, such as 127.0.0.1:4600")
  .transform((text) => {
    const at = text.lastIndexOf(":");
    return { host: text.slice(0, at).replace(/^\[|\]$/g, ""), port: Number(text.slice(at + 1)) };
  })
  .refine(({ port }) => port <= 65_535, "port must be 0 to 65535");

export const switchSetting = z.union([z.boolean(), z.enum(["true", "false"]).transform((text) => text === "true")]);

export const logLevelSetting = z.enum(["debug", "info", "warn", "error", "silent"]).default("info");

export const redisSetting = z.string().regex(/^rediss?:\/\//, "must be a URL that begins with redis:// or rediss://");

/** Whole milliseconds within bounds. */
export function millisecondsSetting(min: number, max: number) {
  return z.coerce.number().int().min(min).max(max);
}

export type FlagTable = readonly (readonly [flag: string, description: string])[];

/** The settings given as flags, else as `KAVACH_` variables, under names with underscores. `--help` prints and exits, and so does an unknown flag. */
export function readFlags(
  name: string,
  description: string,
  flags: FlagTable,
  argv: readonly string[],
): Record<string, unknown> {
  const command = new Command(name).description(description);
  for (const [flag, text] of flags) {
    const option = new Option(flag, text);
    command.addOption(option.env(`KAVACH_${option.name().replaceAll("-", "_").toUpperCase()}`));
  }
  command.parse(argv);
  return Object.fromEntries(
    Object.entries(command.opts()).map(([key, value]) => [
      key.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
      value,
    ]),
  );
}

/** Frozen settings. Throws ConfigError with every fault. */
export function parseSettings<Schema extends z.ZodType>(schema: Schema, values: unknown): Readonly<z.infer<Schema>> {
  const parsed = schema.safeParse(values);
  if (!parsed.success) throw new ConfigError(parsed.error.issues.map(describe).join("\n"));
  return Object.freeze(parsed.data);
}

function describe(issue: z.core.$ZodIssue): string {
  if (issue.code === "unrecognized_keys") {
    return `unknown setting ${issue.keys.map((key) => `'${key}'`).join(", ")}; see --help`;
  }
  return `${issue.path.join(".")}: ${issue.message}`;
}

export interface DoorSettings {
  readonly listen: { readonly host: string };
  readonly insecure: boolean;
  readonly tls_cert?: string | undefined;
  readonly tls_key?: string | undefined;
  readonly tls_client_ca?: string | undefined;
}

/** What is wrong with the settings of a port that callers reach. */
export function doorFaults({ listen, insecure, tls_cert, tls_key, tls_client_ca }: DoorSettings): string[] {
  const faults: string[] = [];
  if (!isLoopback(listen.host) && !insecure && tls_client_ca === undefined) {
    faults.push(
      `listen: callers are not authenticated on ${listen.host}; give --tls-client-ca, or --insecure where the network keeps strangers out`,
    );
  }
  if ((tls_cert === undefined) !== (tls_key === undefined)) faults.push("tls_cert and tls_key: give both or neither");
  if (tls_client_ca !== undefined && tls_cert === undefined) faults.push("tls_client_ca: needs tls_cert and tls_key");
  return faults;
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127\.\d+\.\d+\.\d+$/.test(host);
}

export interface TlsTexts {
  readonly cert: string;
  readonly key: string;
  readonly clientCa?: string;
}

/** The texts of the TLS files; undefined for clear text. Rejects with ConfigError naming the file that cannot be read. */
export async function readTls({ tls_cert, tls_key, tls_client_ca }: DoorSettings): Promise<TlsTexts | undefined> {
  if (tls_cert === undefined || tls_key === undefined) return undefined;
  // Read again while calls are served: a disk that is slow to answer must not hold them up.
  const text = (setting: string, file: string) =>
    readFile(file, "utf8").catch((error: unknown) => {
      throw unreadable(setting, file, error);
    });
  const [cert, key, clientCa] = await Promise.all([
    text("tls_cert", tls_cert),
    text("tls_key", tls_key),
    tls_client_ca === undefined ? undefined : text("tls_client_ca", tls_client_ca),
  ]);
  return { cert, key, ...(clientCa !== undefined && { clientCa }) };
}

/** Throws ConfigError naming setting and file. */
export function readText(setting: string, file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw unreadable(setting, file, error);
  }
}

function unreadable(setting: string, file: string, cause: unknown): ConfigError {
  return new ConfigError(`${setting}: cannot read ${file}: ${(cause as NodeJS.ErrnoException).code}`, { cause });
}
