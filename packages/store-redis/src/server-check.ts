/** Whether a server can carry what is asked of it. What is refused here would lose revocations or counts without a word. */
import type { Redis } from "ioredis";
import { RedisSetupError } from "./setup-error.ts";

export interface ServerFacts {
  readonly version: string;
  readonly role: string;
  readonly evictionPolicy: string;
  readonly cluster: boolean;
  /** Append-only file on, and written to the disk before every answer. */
  readonly durable: boolean;
}

const VERSION_MIN = 7;

export async function serverFacts(redis: Redis): Promise<ServerFacts> {
  const info = await redis.info();
  const field = (name: string) => new RegExp(`^${name}:(.*?)\\r?$`, "m").exec(info)?.[1] ?? "";
  return {
    version: field("redis_version"),
    role: field("role"),
    evictionPolicy: field("maxmemory_policy"),
    cluster: field("cluster_enabled") === "1",
    durable: field("aof_enabled") === "1" && (await fsyncPolicy(redis)) === "always",
  };
}

/** Unknown where the server does not let us see its configuration; then nothing is taken for durable. */
async function fsyncPolicy(redis: Redis): Promise<string> {
  try {
    return String(((await redis.config("GET", "appendfsync")) as string[])[1]);
  } catch (error) {
    if (error instanceof Error && error.name === "ReplyError") return "unknown";
    throw error;
  }
}

export function checkServer(facts: ServerFacts, use: "store" | "log"): void {
  if (!(Number.parseInt(facts.version, 10) >= VERSION_MIN)) {
    throw unfit(`Redis ${facts.version || "of unknown version"} is too old: ${VERSION_MIN} or newer is needed`);
  }
  if (facts.evictionPolicy !== "noeviction") {
    throw unfit(
      `maxmemory-policy is '${facts.evictionPolicy}': an evicted key is a forgotten limit or revocation; set it to noeviction`,
    );
  }
  if (facts.role !== "master") throw unfit(`the server is a ${facts.role}: name the primary`);
  if (!facts.cluster) return;
  throw unfit(
    use === "log"
      ? "the revocation log cannot lie on Redis Cluster: its replication may lose what was acknowledged"
      : "the server is part of a Redis Cluster, and this store speaks to one primary",
  );
}

/** A log that promises durability must not start where an acknowledged revocation can be lost with the power. */
export function checkDurable(facts: ServerFacts): void {
  if (facts.durable) return;
  throw unfit(
    "the revocation log is not durable on this server: set appendonly yes and appendfsync always, or open the log with durable: false",
  );
}

function unfit(message: string): RedisSetupError {
  return new RedisSetupError("SERVER_UNFIT", message);
}
