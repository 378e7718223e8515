/** Between the contract's messages and the model's nouns, both ways. Pure; the one place where spellings of the wire are known. */
export * from "./codes.ts";
export * from "./context.ts";
export * from "./decision-bytes.ts";
export * from "./evaluate.ts";
export * from "./instants.ts";
export * from "./integers.ts";
export * from "./request-bytes.ts";
export * from "./revision.ts";
export * from "./revocation.ts";
export * from "./scope.ts";
export * from "./session.ts";
export * from "./violation.ts";
