/** The nouns every other room speaks in. Pure: no clock, no I/O, no Node built-ins. */
export * from "./canonical-json.ts";
export * from "./context-flat.ts";
export * from "./context-input.ts";
export type * from "./decision.ts";
export * from "./errors.ts";
export * from "./format-one.ts";
export * from "./limits.ts";
export * from "./net-address.ts";
export * from "./nouns.ts";
export * from "./returned-verdict.ts";
export * from "./revocation.ts";
export * from "./revocation-index.ts";
export * from "./text-measure.ts";
export * from "./uuid.ts";
export * from "./verdict.ts";
export * from "./world.ts";
