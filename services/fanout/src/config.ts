/** The settings of a fan-out: flags and KAVACH_… variables over defaults, checked together, read once. */
import { readFileSync } from "node:fs";
import { Command, Option } from "commander";
import { z } from "zod";

/** A setting that is wrong, missing or unknown; the message names every fault, one a line. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly code = "CONFIG_INVALID";
}

const address = z
  .string()
  .regex(/^(\[[0-9a-fA-F:.]+\]|[^:[\]]+):\d{1,5}$/, "must be HOST:PORT, such as 127.0.0.1:4700")
  .transform((text) => {
    const at = text.lastIndexOf(":");
    return { host: text.slice(0, at).replace(/^\[|\]$/g, ""), port: Number(text.slice(at + 1)) };
  })
  .refine(({ port }) => port <= 65_535, "port must be 0 to 65535");

const switchValue = z.union([z.boolean(), z.enum(["true", "false"]).transform((text) => text === "true")]);
const milliseconds = (min: number, max: number) => z.coerce.number().int().min(min).max(max);
const MISSING_LOG = "required: redis://… of the revocation log, or memory for a trial";

const SCHEMA = z
  .strictObject({
    listen: address.prefault("127.0.0.1:4700"),
    adminListen: address.prefault("127.0.0.1:4701"),
    log: z
      .string({ error: MISSING_LOG })
      .regex(/^(memory$|rediss?:\/\/)/, "must be memory, or begin with redis:// or rediss://"),
    durable: switchValue.default(true),
    insecure: switchValue.default(false),
    tlsCert: z.string().optional(),
    tlsKey: z.string().optional(),
    tlsClientCa: z.string().optional(),
    heartbeatMs: milliseconds(100, 60_000).default(1000),
    leaseMs: milliseconds(500, 60_000).default(5000),
    logLevel: z.enum(["debug", "info", "warn", "error", "silent"]).default("info"),
  })
  .superRefine((config, context) => {
    const { tlsCert, tlsKey, tlsClientCa, listen, insecure } = config;
    const fault = (path: string, message: string) => context.addIssue({ code: "custom", path: [path], message });
    if ((tlsCert === undefined) !== (tlsKey === undefined)) fault("tlsCert", "--tls-cert and --tls-key come together");
    if (tlsClientCa !== undefined && tlsCert === undefined) fault("tlsClientCa", "needs --tls-cert and --tls-key");
    if (!isLoopback(listen.host) && !insecure && tlsClientCa === undefined) {
      fault(
        "listen",
        `callers are not authenticated on ${listen.host}; give --tls-client-ca, or --insecure where the network keeps strangers out`,
      );
    }
  });

export type Config = Readonly<z.infer<typeof SCHEMA>>;

const FLAGS: readonly (readonly [flag: string, description: string])[] = [
  ["--listen <host:port>", "address to serve on (default 127.0.0.1:4700)"],
  ["--admin-listen <host:port>", "address for /metrics, /livez and /readyz (default 127.0.0.1:4701)"],
  ["--log <url>", "redis://… of the revocation log; memory keeps it in this process, for a trial"],
  [
    "--durable [bool]",
    "demand a log that is on the disk before it answers; false voids every login when it restarts (default true)",
  ],
  ["--insecure [bool]", "serve callers without authentication on an address other than loopback"],
  ["--tls-cert <file>", "serve TLS with this certificate chain"],
  ["--tls-key <file>", "private key of the certificate"],
  ["--tls-client-ca <file>", "demand client certificates of this authority"],
  ["--heartbeat-ms <n>", "longest silence of a watch, 100 to 60000 (default 1000)"],
  ["--lease-ms <n>", "longest lease of any gate-node, 500 to 60000 (default 5000)"],
  ["--log-level <level>", "debug, info, warn, error or silent (default info)"],
];

/** Reads flags and environment. Throws ConfigError; `--help` prints and exits. */
export function readConfig(argv: readonly string[]): Config {
  const command = new Command("fanout").description(
    "Kavach fan-out: writes the revocation log and relays it to every watcher",
  );
  for (const [flag, description] of FLAGS) {
    const option = new Option(flag, description);
    command.addOption(option.env(`KAVACH_${option.name().replaceAll("-", "_").toUpperCase()}`));
  }
  command.parse(argv);
  const parsed = SCHEMA.safeParse(command.opts());
  if (!parsed.success) throw new ConfigError(parsed.error.issues.map(describe).join("\n"));
  return Object.freeze(parsed.data);
}

/** The texts of the TLS files. Throws ConfigError naming the file that cannot be read. */
export function readTls(config: Config): { cert: string; key: string; clientCa?: string } | undefined {
  const { tlsCert, tlsKey, tlsClientCa } = config;
  if (tlsCert === undefined || tlsKey === undefined) return undefined;
  return {
    cert: readText(tlsCert),
    key: readText(tlsKey),
    ...(tlsClientCa !== undefined && { clientCa: readText(tlsClientCa) }),
  };
}

function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new ConfigError(`cannot read ${file}: ${(error as NodeJS.ErrnoException).code}`, { cause: error });
  }
}

function describe(issue: z.core.$ZodIssue): string {
  const name = String(issue.path[0] ?? "").replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  return `--${name}: ${issue.message}`;
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127\.\d+\.\d+\.\d+$/.test(host);
}
