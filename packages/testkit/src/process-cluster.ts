/** The cluster on processes of this machine: redis-server, both services from source, Envoy from its wheel. */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Child } from "./child.ts";
import type { Cluster, ClusterOptions, ServiceNode } from "./cluster.ts";
import type { ClusterFileName, ClusterFiles } from "./cluster-files.ts";
import { clusterOf, startInOrder } from "./cluster-parts.ts";
import { envoyConfig } from "./envoy-config.ts";
import { freePorts } from "./ports.ts";
import { awaitEnvoy, awaitRedis, awaitService, type Starting } from "./readiness.ts";
import { fanoutFlags, gateFlags, redisFlags, SERVICE_ENV, SERVICE_NODE_ARGS } from "./service-flags.ts";
import { REPO, toolPath } from "./tool-paths.ts";

const HOST = "127.0.0.1";

interface NodeSpec {
  readonly name: string;
  readonly port: number;
  readonly adminPort: number;
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly ready: (part: Starting) => Promise<void>;
}

class ProcessNode implements ServiceNode, Starting {
  readonly name: string;
  readonly address: string;
  readonly adminUrl: string;
  readonly #child: Child;
  readonly #ready: (part: Starting) => Promise<void>;

  constructor(spec: NodeSpec) {
    this.name = spec.name;
    this.address = `${HOST}:${spec.port}`;
    this.adminUrl = `http://${HOST}:${spec.adminPort}`;
    this.#child = new Child(spec);
    this.#ready = spec.ready;
  }

  async start(): Promise<void> {
    this.#child.start();
    await this.#ready(this);
  }

  async kill(): Promise<void> {
    await this.#child.end("SIGKILL");
  }

  stop(): Promise<number> {
    return this.#child.end("SIGTERM");
  }

  async pause(): Promise<void> {
    this.#child.signal("SIGSTOP");
  }

  async unpause(): Promise<void> {
    this.#child.signal("SIGCONT");
  }

  async logs(): Promise<string> {
    return this.#child.log;
  }

  isRunning(): boolean {
    return this.#child.isRunning;
  }
}

/** Places the parts on free ports and starts them. Whatever was started is gone again when that fails. */
export async function startProcesses(options: ClusterOptions, files: ClusterFiles): Promise<Cluster> {
  const folder = await mkdtemp(join(tmpdir(), "kavach-cluster-"));
  const nodes: ProcessNode[] = [];
  const dispose = async () => {
    await Promise.all(nodes.map((node) => node.kill()));
    await rm(folder, { recursive: true, force: true });
  };
  try {
    for (const [name, content] of files) await writeFile(join(folder, name), content, { mode: 0o600 });
    const { redis, fanouts, gates, envoy } = await place(options, folder);
    nodes.push(redis, ...fanouts, ...gates, ...(envoy === undefined ? [] : [envoy]));
    await startInOrder(redis, [...fanouts, ...gates], envoy);
    return clusterOf({ backend: "processes", redis, fanouts, gates, envoy, files }, dispose);
  } catch (error) {
    await dispose();
    throw error;
  }
}

async function place(options: ClusterOptions, folder: string) {
  const ports = await freePorts(2 * (options.gateNodes + options.fanouts + 2));
  const take = () => ({ port: ports.pop() as number, adminPort: ports.pop() as number });
  const redis = await redisNode(folder, take(), options);
  const redisUrl = `redis://${redis.address}`;
  const fanouts = Array.from({ length: options.fanouts }, (_, i) => {
    const at = take();
    const flags = fanoutFlags(options, `${HOST}:${at.port}`, `${HOST}:${at.adminPort}`, redisUrl);
    return serviceNode("fanout", `fanout-${i + 1}`, at, flags);
  });
  const gates = Array.from({ length: options.gateNodes }, (_, i) => {
    const at = take();
    const flags = gateFlags(options, {
      listen: `${HOST}:${at.port}`,
      adminListen: `${HOST}:${at.adminPort}`,
      store: redisUrl,
      fanouts: fanouts.map(({ address }) => address),
      nodeId: `gate-${i + 1}`,
      pathOf: (file: ClusterFileName) => join(folder, file),
    });
    return serviceNode("gate-node", `gate-${i + 1}`, at, flags);
  });
  const envoy = options.envoy === true ? await envoyNode(folder, take(), gates) : undefined;
  return { redis, fanouts, gates, envoy };
}

interface Ports {
  readonly port: number;
  readonly adminPort: number;
}

async function redisNode(folder: string, at: Ports, options: ClusterOptions): Promise<ProcessNode> {
  const dir = join(folder, "redis");
  await mkdir(dir);
  return new ProcessNode({
    ...at,
    name: "redis",
    command: "redis-server",
    args: ["--bind", HOST, "--port", String(at.port), "--dir", dir, ...redisFlags(options)],
    ready: awaitRedis,
  });
}

function serviceNode(service: "gate-node" | "fanout", name: string, at: Ports, flags: readonly string[]): ProcessNode {
  return new ProcessNode({
    ...at,
    name,
    command: process.execPath,
    args: [...SERVICE_NODE_ARGS, join(REPO, "services", service, "src/main.ts"), ...flags],
    env: SERVICE_ENV,
    ready: awaitService,
  });
}

async function envoyNode(folder: string, at: Ports, gates: readonly ServiceNode[]): Promise<ProcessNode> {
  const path = join(folder, "envoy.json");
  const endpoints = gates.map(({ address }) => ({ host: HOST, port: Number(address.slice(HOST.length + 1)) }));
  await writeFile(path, envoyConfig({ ...at, bind: HOST, gates: endpoints }));
  return new ProcessNode({
    ...at,
    name: "envoy",
    command: toolPath("envoy"),
    args: ["-c", path, "--concurrency", "1", "--use-dynamic-base-id", "--log-level", "warning"],
    ready: (part) => awaitEnvoy(part, gates.length),
  });
}
