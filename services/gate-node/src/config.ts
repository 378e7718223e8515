/** The settings of a gate-node: flags and KAVACH_… variables over a TOML file over defaults, checked together, read once. */
import { dirname, resolve } from "node:path";
import { LIMITS } from "@kavach/model";
import {
  addressSetting,
  ConfigError,
  doorFaults,
  type FlagTable,
  logLevelSetting,
  millisecondsSetting,
  parseSettings,
  readFlags,
  readText,
  redisSetting,
  switchSetting,
} from "@kavach/service";
import { parse as parseToml, TomlError } from "smol-toml";
import { z } from "zod";

const SCHEMA = z.strictObject({
  listen: addressSetting.prefault("127.0.0.1:4600"),
  admin_listen: addressSetting.prefault("127.0.0.1:4601"),
  policies: z.string({ error: "must name a policy file" }).min(1, "must name a policy file"),
  store: z.union([z.literal("memory"), redisSetting]).default("memory"),
  log: redisSetting.optional(),
  fanout: z.array(z.string().min(1)).default([]),
  node_id: z.string().min(1).max(LIMITS.nameBytesMax).optional(),
  insecure: switchSetting.default(false),
  tls_cert: z.string().optional(),
  tls_key: z.string().optional(),
  tls_client_ca: z.string().optional(),
  keys: z.string().optional(),
  manifest: z.string().optional(),
  root: z.string().optional(),
  seen_version: z.string().min(1).optional(),
  permit_format: z.enum(["v1", "v2"]).default("v2"),
  permit_ttl_ms: millisecondsSetting(LIMITS.permitTtlMsMin, LIMITS.permitTtlMsMax).default(LIMITS.permitTtlMsDefault),
  single_use: z.enum(["on_request", "when_limited", "always"]).default("on_request"),
  session_mode: z.enum(["inline", "open_on_first_use", "required"]).default("inline"),
  session_lifetime_ms: millisecondsSetting(1000, 30 * 86_400_000).default(86_400_000),
  lease_ms: millisecondsSetting(500, 60_000).default(5000),
  store_timeout_ms: millisecondsSetting(5, 2000).default(50),
  observe_only: switchSetting.default(false),
  passphrase_file: z.string().optional(),
  audit_log: z.string().optional(),
  audit_dir: z.string().optional(),
  audit_key: z.string().optional(),
  audit_mode: z.enum(["best_effort", "required"]).default("best_effort"),
  fast_path: switchSetting.default(true),
  log_level: logLevelSetting,
  // Handed to the engine, which has its own schema for them.
  invariants: z.array(z.unknown()).optional(),
  drift: z.record(z.string(), z.unknown()).optional(),
  enable_drift: switchSetting.optional(),
  max_session_actions: z.coerce.number().optional(),
});

export type Config = Readonly<z.infer<typeof SCHEMA>>;

const FLAGS: FlagTable = [
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
  [
    "--seen-version <file>",
    "keeps the version of the newest manifest taken; an older one is refused, after a restart too",
  ],
  ["--passphrase-file <file>", "passphrase of the key files, where they are encrypted"],
  ["--permit-ttl-ms <n>", "life of a permit, 1000 to 300000 (default 30000)"],
  [
    "--permit-format <format>",
    "v2, or v1 for verifiers that know no other; v1 binds little and is not redeemed (default v2)",
  ],
  ["--single-use <mode>", "on_request, when_limited or always (default on_request)"],
  ["--session-mode <mode>", "inline, open_on_first_use or required (default inline)"],
  ["--session-lifetime-ms <n>", "absolute life of a stored session (default 24 h)"],
  ["--lease-ms <n>", "how old knowledge of revocations may be (default 5000)"],
  ["--store-timeout-ms <n>", "deadline of one call to the store (default 50)"],
  ["--observe-only [bool]", "judge and report, block nothing"],
  ["--audit-log <file>", "append every verdict to this file, one JSON line each"],
  ["--audit-dir <folder>", "keep every verdict in a signed log in this folder, which 'kavach audit verify' reads"],
  [
    "--audit-key <file>",
    "key pair that signs that log, taken again when it changes; with the memory store, made in the folder where none is given",
  ],
  ["--audit-mode <mode>", "best_effort, or required: no permit without its line on disk (default best_effort)"],
  ["--tls-cert <file>", "serve TLS with this certificate chain; taken again when it changes"],
  ["--tls-key <file>", "private key of the certificate"],
  ["--tls-client-ca <file>", "demand client certificates of this authority"],
  ["--insecure [bool]", "serve callers without authentication on an address other than loopback"],
  ["--fast-path [bool]", "false routes every call through connect-node (default true)"],
  ["--log-level <level>", "debug, info, warn, error or silent (default info)"],
];

const PATHS = [
  ...(["policies", "keys", "manifest", "root", "seen_version", "passphrase_file"] as const),
  ...(["audit_log", "audit_dir", "audit_key", "tls_cert", "tls_key", "tls_client_ca"] as const),
];

/** Reads flags, environment and file. Throws ConfigError; `--help` prints and exits. */
export function readConfig(argv: readonly string[]): Config {
  const { config: file, ...given } = readFlags("gate-node", DESCRIPTION, FLAGS, argv);
  const { fanout, ...merged } = { ...(file === undefined ? {} : readConfigFile(String(file))), ...given };
  const fanouts = typeof fanout === "string" ? fanout.split(",").map((part) => part.trim()) : fanout;
  const config = parseSettings(SCHEMA, { ...merged, ...(fanouts !== undefined && { fanout: fanouts }) });
  const faults = [...doorFaults(config), ...permitFaults(config), ...auditFaults(config), ...stateFaults(config)];
  if (faults.length > 0) throw new ConfigError(faults.join("\n"));
  return config;
}

const DESCRIPTION = "Kavach gate-node: permit, refuse or invalidate, over gRPC, gRPC-Web, Connect and JSON";

/** Paths in the file are relative to the file. */
function readConfigFile(file: string): Record<string, unknown> {
  const text = readText("config", file);
  let values: Record<string, unknown>;
  try {
    values = parseToml(text);
  } catch (error) {
    // The parser's text goes on with the lines around the fault, which may hold the password of a store.
    const reason = (error as Error).message.split("\n", 1)[0];
    const place = error instanceof TomlError ? `:${error.line}:${error.column}` : "";
    throw new ConfigError(`config: ${file}${place}: ${reason}`);
  }
  for (const key of PATHS) {
    const value = values[key];
    if (typeof value === "string") values[key] = resolve(dirname(file), value);
  }
  return values;
}

const CLUSTER_FILES = ["keys", "manifest", "root"] as const;

function permitFaults({ permit_format, single_use, seen_version, manifest }: Config): string[] {
  const faults: string[] = [];
  if (permit_format === "v1" && single_use !== "on_request") {
    faults.push(`single_use: '${single_use}' needs permit_format v2; v1 has no permits for one use`);
  }
  if (seen_version !== undefined && manifest === undefined) faults.push("seen_version: needs keys, manifest and root");
  return faults;
}

function auditFaults({ audit_log, audit_dir, audit_key, audit_mode, store }: Config): string[] {
  const faults: string[] = [];
  if (audit_log !== undefined && audit_dir !== undefined) faults.push("audit_log, audit_dir: give one of them");
  if (audit_key !== undefined && audit_dir === undefined) faults.push("audit_key: needs audit_dir");
  if (audit_dir !== undefined && audit_key === undefined && store !== "memory") {
    faults.push("audit_key: required with audit_dir and a shared store, so that the log can be verified elsewhere");
  }
  if (audit_mode === "required" && audit_log === undefined && audit_dir === undefined) {
    faults.push("audit_mode: 'required' needs audit_log or audit_dir");
  }
  return faults;
}

function stateFaults(config: Config): string[] {
  const faults: string[] = [];
  if (config.store === "memory") {
    if (config.log !== undefined) faults.push("log: needs a shared store");
    if (config.fanout.length > 0) faults.push("fanout: needs a shared store");
    return faults;
  }
  for (const key of CLUSTER_FILES) {
    if (config[key] !== undefined) continue;
    faults.push(
      `${key}: required with a shared store, so that every replica's permits verify everywhere; 'kavach keys generate' makes it`,
    );
  }
  if (config.fanout.length === 0) {
    faults.push(
      "fanout: required with a shared store; a node neither writes revocations nor hears of them at once without one",
    );
  }
  return faults;
}
