/** What a caller may say about a connection. Unknown options and URL parameters are errors. */
import { RedisSetupError } from "./setup-error.ts";

export interface RedisOptions {
  /** Deadline of every call, milliseconds, 1 to 60,000. A call that misses it may still happen. */
  readonly commandTimeoutMs?: number;
  /** How long `fromUrl` tries to reach the server, milliseconds, 1 to 60,000; default 5,000. */
  readonly connectTimeoutMs?: number;
  /** Begins every key; default `kavach`. No braces: they would move the hash tag. */
  readonly prefix?: string;
  /** Told of connections that fail or break. They mend themselves. */
  readonly onError?: (error: Error) => void;
}

export interface CheckedOptions {
  readonly commandTimeoutMs: number;
  readonly connectTimeoutMs: number;
  readonly prefix: string;
  readonly onError: (error: Error) => void;
}

const KNOWN = ["commandTimeoutMs", "connectTimeoutMs", "prefix", "onError"];

export function checkOptions(
  options: RedisOptions,
  commandTimeoutMs: number,
  more: readonly string[] = [],
): CheckedOptions {
  for (const name of Object.keys(options)) {
    if (!KNOWN.includes(name) && !more.includes(name)) throw invalid(`unknown Redis option '${name}'`);
  }
  const prefix = options.prefix ?? "kavach";
  if (!/^[\w.:-]{1,64}$/.test(prefix)) throw invalid("option 'prefix' is 1 to 64 letters, digits or . _ : -");
  return {
    commandTimeoutMs: inRange("commandTimeoutMs", options.commandTimeoutMs ?? commandTimeoutMs, 60_000),
    connectTimeoutMs: inRange("connectTimeoutMs", options.connectTimeoutMs ?? 5000, 60_000),
    prefix,
    onError: options.onError ?? (() => undefined),
  };
}

export function inRange(name: string, value: number, max: number): number {
  if (!Number.isSafeInteger(value) || value < 1 || value > max)
    throw invalid(`option '${name}' is an integer from 1 to ${max}`);
  return value;
}

/** Host, port, credentials and database of a `redis://` or `rediss://` URL. Errors never repeat the URL: it may hold a password. */
export interface Address {
  readonly host: string;
  readonly port: number;
  readonly username?: string;
  readonly password?: string;
  readonly db: number;
  readonly tls: boolean;
}

export function parseAddress(text: string): Address {
  const url = URL.parse(text);
  const tls = url?.protocol === "rediss:";
  const db = /^\/?(\d{1,5})?$/.exec(url?.pathname ?? "");
  if (
    url === null ||
    !(tls || url.protocol === "redis:") ||
    url.hostname === "" ||
    db === null ||
    url.search ||
    url.hash
  ) {
    throw invalid("the Redis URL must read redis://[user:password@]host[:port][/database], or rediss:// for TLS");
  }
  const username = decodeURIComponent(url.username);
  const password = decodeURIComponent(url.password);
  return {
    host: url.hostname.replace(/^\[|\]$/g, ""),
    port: url.port === "" ? 6379 : Number(url.port),
    ...(username !== "" && { username }),
    ...(password !== "" && { password }),
    db: Number(db[1] ?? 0),
    tls,
  };
}

function invalid(message: string): RedisSetupError {
  return new RedisSetupError("OPTION_INVALID", message);
}
