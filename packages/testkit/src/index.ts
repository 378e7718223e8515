/** Cluster runner, builders and generators for tests; never shipped. */
export { type AwaitOptions, awaitCondition } from "./await-condition.ts";
export { type Backend, backendFromEnvironment, imageFromEnvironment } from "./backend.ts";
export { Child, type ChildSpec } from "./child.ts";
export { type Cluster, type ClusterNode, type ClusterOptions, type ServiceNode, startCluster } from "./cluster.ts";
export { type ClusterFileName, type ClusterFiles, makeClusterFiles } from "./cluster-files.ts";
export { type GateProcess, type GateProcessOptions, startGateProcess } from "./gate-process.ts";
export { freePorts } from "./ports.ts";
export { type RedisServer, type RedisServerOptions, startRedis } from "./redis.ts";
export { SERVICE_ENV, SERVICE_NODE_ARGS } from "./service-flags.ts";
export { REPO, type Tool, toolPath } from "./tool-paths.ts";
