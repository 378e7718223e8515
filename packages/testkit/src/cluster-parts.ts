/** What both backends make, as the `Cluster` that a test sees. */
import type { Backend } from "./backend.ts";
import type { Cluster, ClusterNode, ServiceNode } from "./cluster.ts";
import type { ClusterFiles } from "./cluster-files.ts";

export interface ClusterParts {
  readonly backend: Backend;
  readonly redis: ClusterNode;
  readonly fanouts: readonly ServiceNode[];
  readonly gates: readonly ServiceNode[];
  readonly envoy: ClusterNode | undefined;
  readonly files: ClusterFiles;
}

export function clusterOf(parts: ClusterParts, dispose: () => Promise<void>): Cluster {
  return {
    ...parts,
    redisUrl: `redis://${parts.redis.address}`,
    get envoyAddress() {
      if (parts.envoy === undefined) throw new Error("this cluster was started without Envoy");
      return parts.envoy.address;
    },
    [Symbol.asyncDispose]: dispose,
  };
}

/** A gate-node is ready only once it is fresh, so services may start at once, after Redis; Envoy wants all of them. */
export async function startInOrder(
  redis: ClusterNode,
  services: readonly ClusterNode[],
  envoy: ClusterNode | undefined,
): Promise<void> {
  await redis.start();
  await Promise.all(services.map((node) => node.start()));
  await envoy?.start();
}
