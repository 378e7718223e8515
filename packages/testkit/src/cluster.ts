/**
 * A whole cluster for a test: Redis, fan-outs, gate-nodes and, where asked for, Envoy, on containers of our image or on
 * processes of this machine. Tests speak to the interface here and cannot tell which.
 */
import { type Backend, backendFromEnvironment } from "./backend.ts";
import type { ClusterFiles } from "./cluster-files.ts";
import { makeClusterFiles } from "./cluster-files.ts";
import { startContainers } from "./container-cluster.ts";
import { startProcesses } from "./process-cluster.ts";

export interface ClusterOptions {
  /** 1 to 16. */
  readonly gateNodes: number;
  /** 1 to 16. */
  readonly fanouts: number;
  /** Puts Envoy before the gate-nodes; default false. */
  readonly envoy?: boolean;
  /** The policy file of every gate-node. */
  readonly policiesToml: string;
  /** The `--config` file of every gate-node; default none. */
  readonly configToml?: string;
  /** How old a node's knowledge of revocations may be; default 5000. */
  readonly leaseMs?: number;
  /** Further flags. */
  readonly gateArgs?: readonly string[];
  readonly fanoutArgs?: readonly string[];
  readonly redisArgs?: readonly string[];
  /** Default: the environment's. */
  readonly backend?: Backend;
}

/** One part of the cluster, whose address stays the same over stop and start. */
export interface ClusterNode {
  readonly name: string;
  /** `host:port` as the test reaches it. */
  readonly address: string;
  /** SIGKILL; resolves once it is gone. */
  kill(): Promise<void>;
  /** Freezes it, as SIGSTOP does. */
  pause(): Promise<void>;
  unpause(): Promise<void>;
  /** SIGTERM; resolves to the exit code. */
  stop(): Promise<number>;
  /** After `kill` or `stop`; resolves once it is ready. */
  start(): Promise<void>;
  /** Output of every start so far. */
  logs(): Promise<string>;
}

export interface ServiceNode extends ClusterNode {
  /** `http://host:port` with /readyz, /livez and /metrics. */
  readonly adminUrl: string;
}

export interface Cluster extends AsyncDisposable {
  readonly backend: Backend;
  readonly redis: ClusterNode;
  readonly redisUrl: string;
  readonly gates: readonly ServiceNode[];
  readonly fanouts: readonly ServiceNode[];
  /** Throws where the cluster has no Envoy. */
  readonly envoyAddress: string;
  readonly envoy: ClusterNode | undefined;
  /** What every node was given, also for verifiers of their permits. */
  readonly files: ClusterFiles;
}

/** Resolves once every part is ready. Whatever was started is gone again when it fails. */
export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  for (const key of ["gateNodes", "fanouts"] as const) {
    const count = options[key];
    if (!Number.isInteger(count) || count < 1 || count > 16) throw new RangeError(`${key}: 1 to 16`);
  }
  const files = await makeClusterFiles(options);
  const backend = options.backend ?? backendFromEnvironment();
  return backend === "containers" ? startContainers(options, files) : startProcesses(options, files);
}
