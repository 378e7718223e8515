/** The two ports and their memory twins. */
export * from "./admit-plan.ts";
export * from "./bounds.ts";
export * from "./facets.ts";
export * from "./memory-revocation-log.ts";
export { originFacts } from "./memory-sessions.ts";
export * from "./memory-store.ts";
export * from "./revocation-log.ts";
export * from "./store.ts";
