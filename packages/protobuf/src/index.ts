/** Protobuf of the plainest form, read and written by hand where every decision passes. All else goes through the library. */
export * from "./plain-reader.ts";
export * from "./plain-writer.ts";
export * from "./tags.ts";
