/** The command lines of Redis and of the two services, alike on containers and processes but for addresses and paths. */
import type { ClusterOptions } from "./cluster.ts";
import type { ClusterFileName } from "./cluster-files.ts";

/** What Node is started with in the image (deploy/docker/entrypoint.sh), which says why. */
export const SERVICE_NODE_ARGS = [
  "--max-semi-space-size=8",
  "--no-allocation-site-pretenuring",
  "--heap-growing-percent=100",
] as const;
export const SERVICE_ENV = { MALLOC_ARENA_MAX: "1" } as const;

export interface GateFlags {
  readonly listen: string;
  readonly adminListen: string;
  readonly store: string;
  /** `host:port` each. */
  readonly fanouts: readonly string[];
  readonly nodeId: string;
  readonly pathOf: (file: ClusterFileName) => string;
}

export function gateFlags(options: ClusterOptions, flags: GateFlags): string[] {
  return [
    ...["--listen", flags.listen, "--admin-listen", flags.adminListen],
    ...["--store", flags.store, "--fanout", flags.fanouts.join(","), "--node-id", flags.nodeId],
    ...["--policies", flags.pathOf("policies.toml"), "--keys", flags.pathOf("permit.key")],
    ...["--manifest", flags.pathOf("manifest"), "--root", flags.pathOf("root.pub")],
    ...["--lease-ms", String(options.leaseMs ?? 5_000), "--insecure"],
    ...(options.configToml === undefined ? [] : ["--config", flags.pathOf("gate-node.toml")]),
    ...(options.gateArgs ?? []),
  ];
}

export function fanoutFlags(options: ClusterOptions, listen: string, adminListen: string, log: string): string[] {
  return [
    ...["--listen", listen, "--admin-listen", adminListen, "--log", log, "--insecure"],
    ...(options.fanoutArgs ?? []),
  ];
}

/** A revocation that was acknowledged is on the disk, as the fan-out demands. */
export function redisFlags(options: ClusterOptions): string[] {
  return ["--save", "", "--appendonly", "yes", "--appendfsync", "always", ...(options.redisArgs ?? [])];
}
