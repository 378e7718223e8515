/** A private Redis server for one test: its own port, its own folder, gone when it is stopped. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { awaitCondition } from "./await-condition.ts";
import { Child } from "./child.ts";
import { freePorts } from "./ports.ts";

export interface RedisServerOptions {
  /**
   * `none`: nothing outlives the process. `always`: an append-only file, on the disk before every answer. `everysec`: an append-only
   * file that may lack the last second.
   */
  readonly appendOnly?: "none" | "always" | "everysec";
  /** More arguments of redis-server, such as `["--maxmemory-policy", "allkeys-lru"]`. */
  readonly args?: readonly string[];
}

export interface RedisServer {
  readonly url: string;
  /** Process id of the running server. */
  readonly pid: number | undefined;
  /** Ends it without grace (SIGKILL); what is on the disk stays. */
  kill(): Promise<void>;
  /** Starts it again on the same port and folder after `kill`. */
  start(): Promise<void>;
  /** `kill`, then `start`. */
  restart(): Promise<void>;
  /** Holds the process still (SIGSTOP): connections stay open and nothing answers. */
  pause(): void;
  resume(): void;
  /** Ends it and removes its folder. */
  stop(): Promise<void>;
}

/** Rejects, and does not skip, where redis-server is not installed. */
export async function startRedis(options: RedisServerOptions = {}): Promise<RedisServer> {
  if (spawnSync("redis-server", ["--version"]).status !== 0) {
    throw new Error("redis-server is not installed: run 'apt-get install redis-server'");
  }
  const [port] = (await freePorts(1)) as [number];
  const folder = mkdtempSync(join(tmpdir(), "kavach-redis-"));
  const fsync = options.appendOnly ?? "none";
  const child = new Child({
    name: "redis",
    command: "redis-server",
    args: [
      ...["--bind", "127.0.0.1", "--port", String(port), "--dir", folder, "--save", ""],
      ...(fsync === "none" ? [] : ["--appendonly", "yes", "--appendfsync", fsync]),
      ...(options.args ?? []),
    ],
  });
  const start = async () => {
    child.start();
    await awaitCondition(() => answers(port), {
      what: `redis-server on port ${port} answers`,
      hopeless: () => (child.isRunning ? undefined : "it has ended"),
      detail: () => child.log,
    });
  };
  const kill = async () => {
    await child.end("SIGKILL");
  };
  const stop = async () => {
    await kill();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await start();
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    url: `redis://127.0.0.1:${port}`,
    get pid() {
      return child.pid;
    },
    kill,
    start,
    restart: async () => {
      await kill();
      await start();
    },
    pause: () => child.signal("SIGSTOP"),
    resume: () => child.signal("SIGCONT"),
    stop,
  };
}

/** True once it answers; while it loads its file it does not count. */
async function answers(port: number): Promise<boolean> {
  const where = { host: "127.0.0.1", port };
  const redis = new Redis({
    ...where,
    protocol: 2,
    lazyConnect: true,
    enableReadyCheck: false,
    retryStrategy: () => null,
  });
  redis.on("error", () => undefined);
  try {
    await redis.connect();
    // One that wants a password is up as well.
    return await redis.ping().then(
      (word) => word === "PONG",
      (error: Error) => error.message.startsWith("NOAUTH"),
    );
  } finally {
    redis.disconnect();
  }
}
