/** The generated contract, gathered under one name. Nothing here is written by hand but this list. */
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
