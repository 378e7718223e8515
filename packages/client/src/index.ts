/** The caller's side of the cluster: decisions from `GateClient`, revocations from `FanoutClient` and `InvalidationWatch`. */
export type {
  DecisionFacts,
  ObservedVerdict,
  PropagationName,
  Verdict,
} from "@kavach/model";
export { Invalidated, InvalidateVerdict, PermitVerdict, Refused, RefuseVerdict } from "@kavach/model";
export type { Channel, ChannelSettings, TlsOptions } from "./channel.ts";
export { openChannel } from "./channel.ts";
export type { GateUnavailableCode, RpcCode } from "./errors.ts";
export { GateUnavailable, RpcError } from "./errors.ts";
export type { FanoutClientOptions, HeadAnswer, HeadQuestion, InvalidateInput, WatchEvent } from "./fanout-client.ts";
export { FanoutClient } from "./fanout-client.ts";
export type { EvaluateOptions, GateClientOptions } from "./gate-client.ts";
export { GateClient } from "./gate-client.ts";
export type { BidiStream, CallOptions, GrpcService, ServerStream } from "./grpc-service.ts";
export { grpcServiceOf } from "./grpc-service.ts";
export type { InvalidationWatchOptions, WatchListener } from "./invalidation-watch.ts";
export { InvalidationWatch } from "./invalidation-watch.ts";
