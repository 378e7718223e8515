/** Where a directory's keys come from: manifests that are read, checked, and read again. */
import type { Clock } from "@kavach/model";
import { SYSTEM_CLOCK } from "@kavach/system";
import { HYBRID_SUITE, isSuite, ML_DSA_65, type Suite } from "../algorithms.ts";
import { CryptoError, DirectoryError } from "../errors.ts";
import { checkedBundle, type PublicKeyBundle } from "../keys/public-key-bundle.ts";
import { expectNoOther, optionsOf } from "../no-other-option.ts";
import { parseSignedManifestV1, parseUnsignedManifestV1 } from "../v1/manifest.ts";
import { type Manifest, openSignedManifest } from "./manifest.ts";

export interface LoadedKeys {
  readonly bundles: readonly PublicKeyBundle[];
  readonly version?: number;
  /** Unix milliseconds. */
  readonly expiresAtMs?: number;
  /** SHA-256 of what was read, lower hex. */
  readonly digest?: string;
}

export interface DirectorySource {
  /** Reads and checks. `last` is what is in use and must not be gone behind. Rejects with DirectoryError. */
  load(last: LoadedKeys | undefined): Promise<LoadedKeys>;
  /** Whether what was loaded counts no longer. */
  hasLapsed(loaded: LoadedKeys | undefined): boolean;
}

/** Reads a manifest's bytes from wherever they are. */
export type ReadBytes = () => Promise<Uint8Array>;

export interface SignedManifestSource {
  readonly read: ReadBytes;
  /** The root's public keys, from outside the manifest. */
  readonly rootBundle: PublicKeyBundle;
  /** Absent: this machine's. */
  readonly clock?: Clock;
  /** The root's suite. Default: hybrid. */
  readonly suite?: Suite;
  /** Highest version this verifier ever saw; an older one is refused. Default 0. */
  readonly versionMin?: number;
  /** Keeps that version across restarts. Without it, whoever serves the manifest can serve an older one after a restart. */
  readonly seen?: SeenVersion;
}

/** The newest manifest that was ever taken: its version, and SHA-256 of its bytes in lower hex. */
export interface SeenManifest {
  readonly version: number;
  readonly digest: string;
}

/** Where the newest manifest's version is kept. Both reject with DirectoryError. */
export interface SeenVersion {
  /** Undefined: none was ever taken. */
  read(): Promise<SeenManifest | undefined>;
  write(seen: SeenManifest): Promise<void>;
}

/** Format 2: versioned, and void when it lapses. Throws CryptoError `OPTION_INVALID`, and `KEY_CORRUPT` for a root that is none. */
export function signedManifestSource(options: SignedManifestSource): DirectorySource {
  const { read, clock = SYSTEM_CLOCK, suite = HYBRID_SUITE, versionMin = 0, seen, ...rest } = optionsOf(options);
  const { rootBundle: root, ...unknown } = rest;
  expectNoOther(unknown);
  if (typeof read !== "function") throw new CryptoError("OPTION_INVALID", "read is a function");
  const rootBundle = checkedBundle(root);
  if (!isSuite(suite)) throw new CryptoError("OPTION_INVALID", "unknown suite");
  if (!Number.isSafeInteger(versionMin) || versionMin < 0) {
    throw new CryptoError("OPTION_INVALID", "versionMin is a whole number of at least 0");
  }
  return {
    async load(inUse): Promise<Manifest> {
      const last = inUse ?? (await seen?.read());
      const bytes = await readAll(read);
      const open = { nowMs: clock.nowMs(), versionMin: Math.max(last?.version ?? 0, versionMin), suite };
      const manifest = await openSignedManifest(bytes, rootBundle, open);
      if (manifest.version === last?.version && manifest.digest !== last.digest) {
        throw new DirectoryError("RootSignatureInvalid", "two manifests of one version");
      }
      // Kept before it is used: what was believed once must not be forgotten by a crash.
      if (manifest.version !== last?.version) await seen?.write(manifest);
      return manifest;
    },
    hasLapsed: (loaded) => !(clock.nowMs() < (loaded?.expiresAtMs ?? 0)),
  };
}

/**
 * Format 1 with the root's signature, which neither expires nor has a version: an old one passes. Throws CryptoError `KEY_CORRUPT` for a
 * root key that is none.
 */
export function signedManifestSourceV1(read: ReadBytes, rootMlDsaVerifyingKey: Uint8Array): DirectorySource {
  if (!(rootMlDsaVerifyingKey instanceof Uint8Array) || rootMlDsaVerifyingKey.length !== ML_DSA_65.publicBytes) {
    throw new CryptoError("KEY_CORRUPT", `the root's ML-DSA-65 key has ${ML_DSA_65.publicBytes} bytes`);
  }
  const root = new Uint8Array(rootMlDsaVerifyingKey);
  return {
    load: async () => ({ bundles: parseSignedManifestV1(await readAll(read), root) }),
    hasLapsed: () => false,
  };
}

/** Format 1 without a signature: whoever writes the bytes decides who is trusted. */
export function unsignedManifestSourceV1(read: ReadBytes): DirectorySource {
  return {
    load: async () => ({ bundles: parseUnsignedManifestV1(await readAll(read)) }),
    hasLapsed: () => false,
  };
}

async function readAll(read: ReadBytes): Promise<Uint8Array> {
  try {
    return await read();
  } catch (cause) {
    throw new DirectoryError("BackendUnavailable", "the manifest could not be read", { cause });
  }
}
