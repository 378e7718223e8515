import { fileURLToPath } from "node:url";
import { FanoutClient, InvalidationWatch } from "@kavach/client";
import { type InvalidationScope, UnavailableError } from "@kavach/model";
import { awaitCondition, Child, freePorts, type RedisServer, startRedis } from "@kavach/testkit";
import { afterEach, describe, expect, test } from "vitest";

const MAIN = fileURLToPath(new URL("main.ts", import.meta.url));
const scope: InvalidationScope = { target: { kind: "role", id: "support" }, reason: "left", evaluator: "test" };

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

interface Process {
  readonly child: Child;
  readonly client: FanoutClient;
  readonly admin: string;
}

function fanoutChild(...args: string[]): Child {
  const child = new Child({ name: "fanout", command: process.execPath, args: [MAIN, ...args] });
  cleanups.push(() => child.end("SIGKILL"));
  return child;
}

async function startMain(log: string, ...more: string[]): Promise<Process> {
  const [port, adminPort] = (await freePorts(2)) as [number, number];
  const ports = ["--listen", `127.0.0.1:${port}`, "--admin-listen", `127.0.0.1:${adminPort}`];
  const child = fanoutChild("--log", log, ...ports, ...more);
  child.start();
  await awaitCondition(() => child.log.includes(`fanout is listening on 127.0.0.1:${port}`), {
    what: "the fan-out listens",
    hopeless: () => (child.isRunning ? undefined : "it has ended"),
    detail: () => child.log,
  });
  const client = new FanoutClient({ endpoints: `127.0.0.1:${port}`, deadlineMs: 10_000 });
  cleanups.push(() => client.close());
  return { child, client, admin: `http://127.0.0.1:${adminPort}` };
}

async function redisServer(): Promise<RedisServer> {
  const redis = await startRedis({ appendOnly: "always" });
  cleanups.push(() => redis.stop());
  return redis;
}

/** Exit code and output of a start that must not succeed. */
async function failedStart(...args: string[]): Promise<{ log: string; ms: number }> {
  const child = fanoutChild(...args);
  const beganAt = performance.now();
  child.start();
  await awaitCondition(() => !child.isRunning, { what: "the fan-out gives up" });
  return { log: child.log, ms: performance.now() - beganAt };
}

describe("a start that cannot succeed says why in lines a person can act on", () => {
  test("wrong settings, all at once", async () => {
    const { log } = await failedStart("--log", "memory", "--lease-ms", "1", "--heartbeat-ms", "0");
    expect(log).toMatch(/^fanout: heartbeat_ms: .*\nlease_ms: .*\n$/);
    const open = await failedStart("--log", "memory", "--listen", "0.0.0.0:0");
    expect(open.log).toMatch(/^fanout: listen: callers are not authenticated on 0\.0\.0\.0; give .* --insecure .*\n$/);
  });

  test("Redis away, within five seconds", async () => {
    const [port] = (await freePorts(1)) as [number];
    // What the machine takes to start any process at all is not Redis's share.
    const { ms: processMs } = await failedStart("--log", "");
    const { log, ms } = await failedStart("--log", `redis://:secret@127.0.0.1:${port}`, "--listen", "127.0.0.1:0");
    expect(log).toMatch(new RegExp(`^fanout: [^\\n]*127\\.0\\.0\\.1:${port}[^\\n]*\\n$`));
    expect(log).not.toContain("secret");
    expect(ms - processMs).toBeLessThan(5000);
  });

  test("a Redis that may lose what it has acknowledged", async () => {
    const redis = await startRedis({ appendOnly: "none" });
    cleanups.push(() => redis.stop());
    const { log } = await failedStart("--log", redis.url, "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0");
    expect(log).toContain("append");
    const { client } = await startMain(redis.url, "--durable", "false");
    expect((await client.head()).head.number).toBe(0);
  });

  test("a port that is taken", async () => {
    const { child } = await startMain("memory");
    const listen = /"listen":"([^"]+)"/.exec(child.log)?.[1] ?? "";
    const { log } = await failedStart("--log", "memory", "--listen", listen, "--admin-listen", "127.0.0.1:0");
    expect(log).toMatch(/^(\{.*\}\n)*fanout: port \d+ on 127\.0\.0\.1 is in use.*\n$/);
  });
});

describe("over Redis", () => {
  test("two processes relay one log; a restart of Redis costs neither a record nor the processes", async () => {
    const redis = await redisServer();
    const a = await startMain(redis.url);
    const b = await startMain(redis.url);
    const seen: number[] = [];
    const snapshots: number[] = [];
    const watch = new InvalidationWatch({
      client: b.client,
      listener: {
        onSnapshot: ({ marks }) => snapshots.push(marks.length),
        onRecord: ({ revision }) => seen.push(revision.number),
      },
    });
    cleanups.push(() => watch.stop());
    await awaitCondition(() => watch.connected, { what: "the watch is open" });
    const written = await a.client.invalidate({ scope });
    await awaitCondition(() => seen.length === 1, { what: "the record reaches the other process", withinMs: 2000 });
    await redis.kill();
    const beganAt = performance.now();
    await expect(a.client.invalidate({ scope })).rejects.toBeInstanceOf(UnavailableError);
    await expect(b.client.head()).rejects.toBeInstanceOf(UnavailableError);
    expect(performance.now() - beganAt).toBeLessThan(2500);
    await awaitCondition(async () => (await fetch(`${b.admin}/readyz`)).status === 503, { what: "it is not ready" });
    await redis.start();
    await awaitCondition(() => a.client.invalidate({ scope, idempotencyKey: "k" }), { what: "it writes again" });
    await awaitCondition(() => snapshots.length === 2, { what: "the watch is in the new generation" });
    const { head } = await b.client.head();
    expect(head.generation).toBeGreaterThan(written.generation);
    expect(snapshots[1]).toBeGreaterThan(0);
    await awaitCondition(async () => (await fetch(`${b.admin}/readyz`)).status === 200, { what: "it is ready" });
    const metrics = await (await fetch(`${b.admin}/metrics`)).text();
    expect(metrics).toMatch(/^kavach_fanout_watchers\{.*\} 1$/m);
    expect(metrics).toMatch(/^kavach_fanout_head_number\{/m);
  });

  test("SIGTERM ends it in good order", async () => {
    const { child, client } = await startMain("memory");
    await client.head();
    expect(await child.end("SIGTERM")).toBe(0);
    expect(child.log).toContain('"msg":"stopped"');
    for (const line of child.log.trim().split("\n")) expect(JSON.parse(line)).toHaveProperty("msg");
  });
});
