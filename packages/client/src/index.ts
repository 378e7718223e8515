/** The caller's side of the cluster: decisions from `GateClient`, revocations from `FanoutClient` and `InvalidationWatch`. */
export type { Channel, ChannelSettings, TlsOptions } from "./channel.ts";
export { openChannel } from "./channel.ts";
export type { GateUnavailableCode, RpcCode } from "./errors.ts";
export { GateUnavailable, Invalidated, Refused, RpcError } from "./errors.ts";
export type { FanoutClientOptions, HeadAnswer, HeadQuestion, InvalidateInput, WatchEvent } from "./fanout-client.ts";
export { FanoutClient } from "./fanout-client.ts";
export type { EvaluateOptions, GateClientOptions } from "./gate-client.ts";
export { GateClient } from "./gate-client.ts";
export type { BidiStream, CallOptions, GrpcService, ServerStream } from "./grpc-service.ts";
export { grpcServiceOf } from "./grpc-service.ts";
export type { InvalidationWatchOptions, WatchListener } from "./invalidation-watch.ts";
export { InvalidationWatch } from "./invalidation-watch.ts";
export type {
  DecisionFacts,
  InvalidateVerdict,
  ObservedVerdict,
  PermitVerdict,
  PropagationName,
  RefuseVerdict,
  Verdict,
} from "./verdict.ts";
