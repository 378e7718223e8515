/** The two ports and their memory twins. */
export * from "./revocation-log.ts";
export * from "./store.ts";
