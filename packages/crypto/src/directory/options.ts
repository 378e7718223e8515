/** What directories that are read from somewhere can be told. */
import type { Clock } from "@kavach/model";
import { SYSTEM_CLOCK } from "@kavach/system";
import type { Suite } from "../algorithms.ts";
import { CryptoError } from "../errors.ts";
import type { PublicKeyBundle } from "../keys/public-key-bundle.ts";
import { expectNoOther, optionsOf } from "../no-other-option.ts";
import { seenVersionFile } from "./seen-version.ts";
import { type DirectorySource, type ReadBytes, signedManifestSource, signedManifestSourceV1 } from "./source.ts";

export interface DirectoryOptions {
  /** Absent: this machine's. */
  readonly clock?: Clock;
  /** Least time between two readings that missed keys cause, milliseconds, 0 to one hour. Default 5000. */
  readonly refetchMinMs?: number;
}

export interface RootOfTwo extends DirectoryOptions {
  /** The root's public keys, from outside the manifest. */
  readonly rootBundle: PublicKeyBundle;
  /** The root's suite. Default: hybrid. */
  readonly suite?: Suite;
  /** Highest version this verifier ever saw, where it is known from elsewhere. */
  readonly versionMin?: number;
  /** Keeps the highest version across restarts. */
  readonly seenVersionFile?: string;
}

export interface RootOfOne extends DirectoryOptions {
  /** The root's ML-DSA-65 key, 1952 bytes, from outside the manifest. */
  readonly rootMlDsaVerifyingKey: Uint8Array;
}

export type SignedFileOptions = RootOfOne | RootOfTwo;

export type HttpOptions = SignedFileOptions & {
  /** For the whole answer, milliseconds, 1 to 600,000. Default 10,000. */
  readonly timeoutMs?: number;
};

const ROOT_OF_TWO: ReadonlySet<string> = new Set(["rootBundle", "suite", "versionMin", "seenVersionFile"]);

/** Throws CryptoError `OPTION_INVALID`. */
export function checkedOptions(options: DirectoryOptions): DirectoryOptions {
  const { clock, refetchMinMs = 5000, ...unknown } = optionsOf(options);
  expectNoOther(unknown);
  if (!Number.isSafeInteger(refetchMinMs) || refetchMinMs < 0 || refetchMinMs > 3_600_000) {
    throw new CryptoError("OPTION_INVALID", "refetchMinMs is a whole number from 0 to 3,600,000");
  }
  return { refetchMinMs, ...(clock !== undefined && { clock }) };
}

/** The source that the root's keys call for, and the options that are left. Throws CryptoError `OPTION_INVALID`. */
export function rootedSource(
  read: ReadBytes,
  options: SignedFileOptions,
): { readonly source: DirectorySource; readonly rest: DirectoryOptions } {
  if (typeof options !== "object" || options === null) throw new CryptoError("OPTION_INVALID", "the root is missing");
  if ("rootMlDsaVerifyingKey" in options) {
    const { rootMlDsaVerifyingKey, ...rest } = options;
    expectNoOther(Object.fromEntries(Object.entries(rest).filter(([name]) => ROOT_OF_TWO.has(name))));
    return { source: signedManifestSourceV1(read, rootMlDsaVerifyingKey), rest };
  }
  const { rootBundle, suite, versionMin, seenVersionFile: path, ...rest } = options;
  if (rootBundle === undefined) {
    throw new CryptoError("OPTION_INVALID", "give rootBundle, or rootMlDsaVerifyingKey for format 1");
  }
  const source = signedManifestSource({
    read,
    rootBundle,
    clock: rest.clock ?? SYSTEM_CLOCK,
    ...(suite !== undefined && { suite }),
    ...(versionMin !== undefined && { versionMin }),
    ...(path !== undefined && { seen: seenVersionFile(path) }),
  });
  return { source, rest };
}
