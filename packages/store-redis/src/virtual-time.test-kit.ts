/** For tests only: scripts that take their time from the caller instead of the server, so that windows of hours pass in no time. */
import { Redis } from "ioredis";
import type { ScriptRunner } from "./connection.ts";

const SERVER_TIME = "redis.call('TIME')";
const CALLERS_TIME = "{ARGV[#ARGV - 1], ARGV[#ARGV]}";

/** Runs the real scripts with only their reading of the clock replaced. Keys still expire by the server's clock. */
export class VirtualTimeRunner implements ScriptRunner {
  readonly #redis: Redis;
  nowMs: number;

  constructor(url: string, nowMs: number) {
    this.#redis = new Redis(url);
    this.nowMs = nowMs;
  }

  async run(text: string, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown> {
    if (!text.includes(SERVER_TIME)) throw new Error("the script does not read the clock where the test expects it");
    const timeUs = Math.floor(this.nowMs * 1000);
    const time = [Math.floor(timeUs / 1_000_000), timeUs % 1_000_000];
    return await this.#redis.eval(text.replace(SERVER_TIME, CALLERS_TIME), keys.length, ...keys, ...args, ...time);
  }

  async ping(): Promise<void> {
    await this.#redis.ping();
  }

  close(): void {
    this.#redis.disconnect();
  }
}
