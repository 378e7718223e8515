/** The cluster in containers: Redis, both services from our own image, Envoy; one bridge network for each cluster. */
import { GenericContainer, getContainerRuntimeClient, Network, type StartedNetwork } from "testcontainers";
import { imageFromEnvironment } from "./backend.ts";
import type { Cluster, ClusterOptions } from "./cluster.ts";
import type { ClusterFileName, ClusterFiles } from "./cluster-files.ts";
import { clusterOf, startInOrder } from "./cluster-parts.ts";
import { ContainerNode, type ContainerSpec } from "./container-node.ts";
import { envoyConfig } from "./envoy-config.ts";
import { ownedNetworkName } from "./owner.ts";
import { freePorts } from "./ports.ts";
import { awaitEnvoy, awaitRedis, awaitService } from "./readiness.ts";
import { fanoutFlags, gateFlags, redisFlags } from "./service-flags.ts";

const FILES = "/etc/kavach";
const REDIS = "redis://redis:6379";

/** Places the parts on a network of their own and starts them. Whatever was started is gone again when that fails. */
export async function startContainers(options: ClusterOptions, files: ClusterFiles): Promise<Cluster> {
  const network = await new Network({ nextUuid: ownedNetworkName }).start();
  const nodes: ContainerNode[] = [];
  const dispose = async () => {
    await Promise.all(nodes.map((node) => node.remove()));
    await network.stop();
  };
  try {
    const { redis, fanouts, gates, envoy } = await place(options, files, network);
    nodes.push(redis, ...fanouts, ...gates, ...(envoy === undefined ? [] : [envoy]));
    await startInOrder(redis, [...fanouts, ...gates], envoy);
    return clusterOf({ backend: "containers", redis, fanouts, gates, envoy, files }, dispose);
  } catch (error) {
    await dispose();
    throw error;
  }
}

async function place(options: ClusterOptions, files: ClusterFiles, network: StartedNetwork) {
  const { dockerode } = (await getContainerRuntimeClient()).container;
  const ports = await freePorts(2 * (options.gateNodes + options.fanouts + 2));
  const node = (spec: Omit<ContainerSpec, "network" | "hostPort" | "hostAdminPort">) =>
    new ContainerNode(
      { ...spec, network, hostPort: ports.pop() as number, hostAdminPort: ports.pop() as number },
      dockerode,
    );

  const redis = node({
    ...{ name: "redis", port: 6379, adminPort: 6380, ready: awaitRedis },
    container: new GenericContainer("redis:7").withCommand(["redis-server", ...redisFlags(options)]),
  });
  const image = imageFromEnvironment();
  const fanouts = Array.from({ length: options.fanouts }, (_, i) =>
    node({
      ...{ name: `fanout-${i + 1}`, port: 4700, adminPort: 4701, ready: awaitService },
      container: new GenericContainer(image).withCommand([
        "fanout",
        ...fanoutFlags(options, "0.0.0.0:4700", "0.0.0.0:4701", REDIS),
      ]),
    }),
  );
  const gates = Array.from({ length: options.gateNodes }, (_, i) =>
    node({
      ...{ name: `gate-${i + 1}`, port: 4600, adminPort: 4601, ready: awaitService },
      container: gateContainer(image, options, files, `gate-${i + 1}`),
    }),
  );
  const envoy = options.envoy === true ? node(envoySpec(gates.map(({ name }) => name))) : undefined;
  return { redis, fanouts, gates, envoy };
}

function gateContainer(image: string, options: ClusterOptions, files: ClusterFiles, nodeId: string): GenericContainer {
  const flags = gateFlags(options, {
    listen: "0.0.0.0:4600",
    adminListen: "0.0.0.0:4601",
    store: REDIS,
    fanouts: Array.from({ length: options.fanouts }, (_, i) => `fanout-${i + 1}:4700`),
    nodeId,
    pathOf: (file: ClusterFileName) => `${FILES}/${file}`,
  });
  // Copied files belong to root; the service, which is not root, has to read them.
  const contents = [...files].map(([name, content]) => ({
    content: Buffer.from(content),
    target: `${FILES}/${name}`,
    mode: 0o444,
  }));
  return new GenericContainer(image).withCommand(["gate-node", ...flags]).withCopyContentToContainer(contents);
}

function envoySpec(gates: readonly string[]) {
  const endpoints = gates.map((host) => ({ host, port: 4600 }));
  const content = envoyConfig({ port: 4600, adminPort: 9901, bind: "0.0.0.0", gates: endpoints });
  return {
    ...{ name: "envoy", port: 4600, adminPort: 9901 },
    ready: (part: Parameters<typeof awaitEnvoy>[0]) => awaitEnvoy(part, gates.length),
    container: new GenericContainer("kavach-envoy:test")
      .withCommand(["-c", "/etc/envoy/envoy.json", "--concurrency", "1", "--log-level", "warning"])
      .withCopyContentToContainer([{ content, target: "/etc/envoy/envoy.json", mode: 0o444 }]),
  };
}
