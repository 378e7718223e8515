/** The settings of a gate-node: flags and KAVACH_… variables over a TOML file over defaults, checked together, read once. */
import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { LIMITS } from "@kavach/model";
import { Command, Option } from "commander";
import { parse as parseToml } from "smol-toml";
import { z } from "zod";

/** A setting that is wrong, missing or unknown; the message names every fault, one a line. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly code = "CONFIG_INVALID";
}

const address = z
  .string()
  .regex(/^(\[[0-9a-fA-F:.]+\]|[^:[\]]+):\d{1,5}$/, "must be HOST:PORT, such as 127.0.0.1:4600")
  .transform((text) => {
    const at = text.lastIndexOf(":");
    return { host: text.slice(0, at).replace(/^\[|\]$/g, ""), port: Number(text.slice(at + 1)) };
  })
  .refine(({ port }) => port <= 65_535, "port must be 0 to 65535");

const redisUrl = z.string().regex(/^rediss?:\/\//, "must be a URL that begins with redis:// or rediss://");
const switchValue = z.union([z.boolean(), z.enum(["true", "false"]).transform((text) => text === "true")]);
const milliseconds = (min: number, max: number) => z.coerce.number().int().min(min).max(max);

const SCHEMA = z.strictObject({
  listen: address.prefault("127.0.0.1:4600"),
  admin_listen: address.prefault("127.0.0.1:4601"),
  policies: z.string({ error: "must name a policy file" }).min(1, "must name a policy file"),
  store: z.union([z.literal("memory"), redisUrl]).default("memory"),
  log: redisUrl.optional(),
  fanout: z.array(z.string().min(1)).default([]),
  node_id: z.string().min(1).max(LIMITS.nameBytesMax).optional(),
  insecure: switchValue.default(false),
  tls_cert: z.string().optional(),
  tls_key: z.string().optional(),
  tls_client_ca: z.string().optional(),
  keys: z.string().optional(),
  manifest: z.string().optional(),
  root: z.string().optional(),
  permit_ttl_ms: milliseconds(LIMITS.permitTtlMsMin, LIMITS.permitTtlMsMax).default(LIMITS.permitTtlMsDefault),
  single_use: z.enum(["on_request", "when_limited", "always"]).default("on_request"),
  session_mode: z.enum(["inline", "open_on_first_use", "required"]).default("inline"),
  session_lifetime_ms: milliseconds(1000, 30 * 86_400_000).default(86_400_000),
  lease_ms: milliseconds(500, 60_000).default(5000),
  store_timeout_ms: milliseconds(5, 2000).default(50),
  observe_only: switchValue.default(false),
  audit_log: z.string().optional(),
  audit_mode: z.enum(["best_effort", "required"]).default("best_effort"),
  fast_path: switchValue.default(true),
  log_level: z.enum(["debug", "info", "warn", "error", "silent"]).default("info"),
  // Handed to the engine, which has its own schema for them.
  invariants: z.array(z.unknown()).optional(),
  drift: z.record(z.string(), z.unknown()).optional(),
  enable_drift: switchValue.optional(),
  max_session_actions: z.coerce.number().optional(),
});

export type Config = Readonly<z.infer<typeof SCHEMA>>;

const FLAGS: readonly (readonly [flag: string, description: string])[] = [
  ["--config <file>", "TOML file with any of these settings (underscores for dashes), [[invariants]] and [drift]"],
  ["--policies <file>", "policy file, TOML or JSON"],
  ["--listen <host:port>", "address to serve on (default 127.0.0.1:4600)"],
  ["--admin-listen <host:port>", "address for /metrics, /livez and /readyz (default 127.0.0.1:4601)"],
  ["--store <url>", "memory, or redis://… shared by all replicas (default memory)"],
  ["--log <url>", "redis://… of the revocation log (default: the store)"],
  ["--fanout <host:port,…>", "fan-outs, or dns:///name:port for all addresses of a name; required with a shared store"],
  ["--node-id <id>", "name of this node (default: random)"],
  ["--keys <file>", "key pair that signs permits; required with a shared store"],
  ["--manifest <file>", "root-signed manifest of public keys; required with a shared store"],
  ["--root <file>", "public key bundle of the root that signed the manifest; required with a shared store"],
  ["--permit-ttl-ms <n>", "life of a permit, 1000 to 300000 (default 30000)"],
  ["--single-use <mode>", "on_request, when_limited or always (default on_request)"],
  ["--session-mode <mode>", "inline, open_on_first_use or required (default inline)"],
  ["--session-lifetime-ms <n>", "absolute life of a stored session (default 24 h)"],
  ["--lease-ms <n>", "how old knowledge of revocations may be (default 5000)"],
  ["--store-timeout-ms <n>", "deadline of one call to the store (default 50)"],
  ["--observe-only [bool]", "judge and report, block nothing"],
  ["--audit-log <file>", "append every verdict to this file, one JSON line each"],
  ["--audit-mode <mode>", "best_effort, or required: no permit without its line on disk (default best_effort)"],
  ["--tls-cert <file>", "serve TLS with this certificate chain"],
  ["--tls-key <file>", "private key of the certificate"],
  ["--tls-client-ca <file>", "demand client certificates of this authority"],
  ["--insecure [bool]", "serve callers without authentication on an address other than loopback"],
  ["--fast-path [bool]", "false routes every call through connect-node (default true)"],
  ["--log-level <level>", "debug, info, warn, error or silent (default info)"],
];

const PATHS = ["policies", "keys", "manifest", "root", "audit_log", "tls_cert", "tls_key", "tls_client_ca"] as const;

/** Reads flags, environment and file. Throws ConfigError; `--help` prints and exits. */
export function readConfig(argv: readonly string[]): Config {
  const flags = readFlags(argv);
  const { config: file, ...overrides } = flags;
  const merged = { ...(file === undefined ? {} : readConfigFile(String(file))), ...overrides };
  if (typeof merged.fanout === "string") {
    merged.fanout = merged.fanout
      .split(",")
      .map((part) => part.trim())
      .filter((part) => part !== "");
  }
  const parsed = SCHEMA.safeParse(merged);
  if (!parsed.success) {
    throw new ConfigError(parsed.error.issues.map((issue) => describe(issue)).join("\n"));
  }
  const faults = relationFaults(parsed.data);
  if (faults.length > 0) throw new ConfigError(faults.join("\n"));
  return Object.freeze(parsed.data);
}

function readFlags(argv: readonly string[]): Record<string, unknown> {
  const command = new Command("gate-node").description(
    "Kavach gate-node: permit, refuse or invalidate, over gRPC, Connect and JSON",
  );
  for (const [flag, description] of FLAGS) {
    const option = new Option(flag, description);
    command.addOption(option.env(`KAVACH_${option.name().replaceAll("-", "_").toUpperCase()}`));
  }
  command.parse(argv);
  return Object.fromEntries(
    Object.entries(command.opts()).map(([key, value]) => [
      key.replaceAll(/[A-Z]/g, (c) => `_${c.toLowerCase()}`),
      value,
    ]),
  );
}

/** Paths in the file are relative to the file. */
function readConfigFile(file: string): Record<string, unknown> {
  let values: Record<string, unknown>;
  try {
    values = parseToml(readFileSync(file, "utf8"));
  } catch (error) {
    throw new ConfigError(`--config ${file}: ${(error as Error).message}`);
  }
  for (const key of PATHS) {
    const value = values[key];
    if (typeof value === "string") values[key] = resolve(dirname(file), value);
  }
  return values;
}

function describe(issue: z.core.$ZodIssue): string {
  const path = issue.path.join(".");
  if (issue.code === "unrecognized_keys")
    return `unknown setting ${issue.keys.map((key) => `'${key}'`).join(", ")}; see --help`;
  return `${path}: ${issue.message}`;
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127\./.test(host);
}

function relationFaults(config: z.infer<typeof SCHEMA>): string[] {
  const faults: string[] = [];
  const shared = config.store !== "memory";
  if (!isLoopback(config.listen.host) && !config.insecure && config.tls_client_ca === undefined) {
    faults.push(
      `listen: callers are not authenticated on ${config.listen.host}; give --tls-client-ca, or --insecure where the network keeps strangers out`,
    );
  }
  if ((config.tls_cert === undefined) !== (config.tls_key === undefined))
    faults.push("tls_cert and tls_key: give both or neither");
  if (config.tls_client_ca !== undefined && config.tls_cert === undefined)
    faults.push("tls_client_ca: needs tls_cert and tls_key");
  if (shared) {
    for (const key of ["keys", "manifest", "root"] as const) {
      if (config[key] === undefined)
        faults.push(`${key}: required with a shared store, so that every replica's permits verify everywhere`);
    }
    if (config.fanout.length === 0)
      faults.push(
        "fanout: required with a shared store; a node neither writes revocations nor hears of them at once without one",
      );
  } else {
    if (config.log !== undefined) faults.push("log: needs a shared store");
    if (config.fanout.length > 0) faults.push("fanout: needs a shared store");
  }
  if (config.audit_mode === "required" && config.audit_log === undefined)
    faults.push("audit_mode: 'required' needs audit_log");
  return faults;
}
