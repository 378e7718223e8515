/** The settings of a fan-out: flags and KAVACH_… variables over defaults, checked together, read once. */
import {
  addressSetting,
  ConfigError,
  doorFaults,
  type FlagTable,
  logLevelSetting,
  millisecondsSetting,
  parseSettings,
  readFlags,
  redisSetting,
  switchSetting,
} from "@kavach/service";
import { z } from "zod";

const MISSING_LOG = "required: redis://… of the revocation log, or memory for a trial";

const SCHEMA = z.strictObject({
  listen: addressSetting.prefault("127.0.0.1:4700"),
  admin_listen: addressSetting.prefault("127.0.0.1:4701"),
  log: z.union([z.literal("memory"), redisSetting], { error: MISSING_LOG }),
  durable: switchSetting.default(true),
  insecure: switchSetting.default(false),
  tls_cert: z.string().optional(),
  tls_key: z.string().optional(),
  tls_client_ca: z.string().optional(),
  heartbeat_ms: millisecondsSetting(100, 60_000).default(1000),
  lease_ms: millisecondsSetting(500, 60_000).default(5000),
  log_level: logLevelSetting,
});

export type Config = Readonly<z.infer<typeof SCHEMA>>;

const FLAGS: FlagTable = [
  ["--listen <host:port>", "address to serve on (default 127.0.0.1:4700)"],
  ["--admin-listen <host:port>", "address for /metrics, /livez and /readyz (default 127.0.0.1:4701)"],
  ["--log <url>", "redis://… of the revocation log; memory keeps it in this process, for a trial"],
  [
    "--durable [bool]",
    "demand a log that is on the disk before it answers; false voids every login when it restarts (default true)",
  ],
  ["--insecure [bool]", "serve callers without authentication on an address other than loopback"],
  ["--tls-cert <file>", "serve TLS with this certificate chain; taken again when it changes"],
  ["--tls-key <file>", "private key of the certificate"],
  ["--tls-client-ca <file>", "demand client certificates of this authority"],
  ["--heartbeat-ms <n>", "longest silence of a watch, 100 to 60000 (default 1000)"],
  ["--lease-ms <n>", "longest lease of any gate-node, 500 to 60000 (default 5000)"],
  ["--log-level <level>", "debug, info, warn, error or silent (default info)"],
];

const DESCRIPTION = "Kavach fan-out: writes the revocation log and relays it to every watcher";

/** Reads flags and environment. Throws ConfigError; `--help` prints and exits. */
export function readConfig(argv: readonly string[]): Config {
  const config = parseSettings(SCHEMA, readFlags("fanout", DESCRIPTION, FLAGS, argv));
  const faults = doorFaults(config);
  if (faults.length > 0) throw new ConfigError(faults.join("\n"));
  return config;
}
