/** The generated contract, gathered under one name. Nothing here is written by hand but this list. */

/** Public contracts that are served beside our own. Their names clash with each other, so each has its own space. */
export * as googleRpc from "./gen/google/rpc/error_details_pb.ts";
export * as grpcHealthV1 from "./gen/grpc/health/v1/health_pb.ts";
export * as grpcReflectionV1 from "./gen/grpc/reflection/v1/reflection_pb.ts";
export * as grpcReflectionV1Alpha from "./gen/grpc/reflection/v1alpha/reflection_pb.ts";
export * from "./gen/kavach/v1/context_pb.ts";
export * from "./gen/kavach/v1/evaluate_pb.ts";
export * from "./gen/kavach/v1/gate_service_pb.ts";
export * from "./gen/kavach/v1/invalidation_pb.ts";
export * from "./gen/kavach/v1/invalidation_service_pb.ts";
export * from "./gen/kavach/v1/key_pb.ts";
export * from "./gen/kavach/v1/key_service_pb.ts";
export * from "./gen/kavach/v1/permit_pb.ts";
export * from "./gen/kavach/v1/permit_service_pb.ts";
export * from "./gen/kavach/v1/revision_pb.ts";
export * from "./gen/kavach/v1/session_pb.ts";
export * from "./gen/kavach/v1/session_service_pb.ts";
export * from "./gen/kavach/v1/verdict_pb.ts";
