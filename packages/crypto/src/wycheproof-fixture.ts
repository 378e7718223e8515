/** Reads the vectors of C2SP/wycheproof where they lie: a checkout's folder `testvectors_v1`. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

const FOLDER = process.env.WYCHEPROOF_DIR ?? join(import.meta.dirname, "../../../../shared/vectors/wycheproof");
const FOUND = existsSync(join(FOLDER, "ed25519_test.json"));

/** For the names of suites, which a reader without the vectors sees. */
export const HOW =
  "set WYCHEPROOF_DIR to the folder testvectors_v1 of a checkout of https://github.com/C2SP/wycheproof";

/** CI demands the vectors; a stranger may be without them. */
export const WANTED: boolean = FOUND || process.env.CI === "true";

export interface Vector {
  readonly tcId: number;
  readonly comment?: string;
  readonly flags: readonly string[];
  readonly result: "valid" | "invalid" | "acceptable";
}

/** `Test` names the members that the file's tests have beside those of every file. */
export function vectorsOf<Test, Group = unknown>(
  file: string,
): readonly (Group & { readonly tests: readonly (Vector & Test)[] })[] {
  return JSON.parse(readFileSync(join(FOLDER, file), "utf8")).testGroups;
}

export const hex = (text: string): Uint8Array<ArrayBuffer> => new Uint8Array(Buffer.from(text, "hex"));
export const hexOf = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString("hex");
export const named = (test: Vector): string => `test ${test.tcId}: ${test.comment ?? test.flags.join(" ")}`;
