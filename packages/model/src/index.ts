/** The nouns every other room speaks in. Pure: no clock, no I/O, no Node built-ins. */
export * from "./errors.ts";
export * from "./limits.ts";
export * from "./nouns.ts";
export * from "./revocation.ts";
export * from "./verdict.ts";
export * from "./world.ts";
