/** The keys of a node: the pair that signs permits, and the root-signed manifest that it hands out and verifies by. */
import { readFileSync } from "node:fs";
import {
  buildSignedManifest,
  bundleFromBytes,
  decodeKeyFile,
  KavachKeyPair,
  keyIdOf,
  PermitSigner,
  PermitVerifier,
  type PublicKeyBundle,
  PublicKeyDirectory,
} from "@kavach/crypto";
import type { Clock } from "@kavach/model";
import { ConfigError } from "@kavach/service";
import type { Config } from "./config.ts";

export interface Keys {
  readonly signer: PermitSigner;
  readonly verifier: PermitVerifier;
  /** Root-signed, as it was given. */
  readonly manifest: Uint8Array;
  readonly manifestVersion: number;
  /** Key and root were made at this start and die with the process. */
  readonly ephemeral: boolean;
}

const EMBEDDED_MANIFEST_MS = 365 * 86_400_000;

/** Only the embedded store makes key and root itself: a replica with a key of its own would issue permits that no other verifies. */
export async function openKeys(config: Config, clock: Clock): Promise<Keys> {
  const { keys, manifest, root } = config;
  if (keys === undefined || manifest === undefined || root === undefined) {
    if (keys !== undefined || manifest !== undefined || root !== undefined) {
      throw new ConfigError("keys, manifest and root: give all three, or none with the memory store");
    }
    return await makeKeys(clock);
  }
  const keyPair = readKeyFile("keys", keys, decodeKeyFile);
  const rootBundle = readKeyFile("root", root, bundleFromBytes);
  const bytes = readKeyFile("manifest", manifest, (content) => content);
  return await assemble(keyPair, bytes, rootBundle, clock, false);
}

async function makeKeys(clock: Clock): Promise<Keys> {
  const root = KavachKeyPair.generate({ clock });
  const keyPair = KavachKeyPair.generate({ clock });
  const nowMs = Math.floor(clock.nowMs());
  const expiresAtMs = nowMs + EMBEDDED_MANIFEST_MS;
  const manifest = await buildSignedManifest(root, { bundles: [keyPair.publicKeys()], version: 1, expiresAtMs, nowMs });
  return await assemble(keyPair, manifest, root.publicKeys(), clock, true);
}

async function assemble(
  keyPair: KavachKeyPair,
  manifest: Uint8Array,
  rootBundle: PublicKeyBundle,
  clock: Clock,
  ephemeral: boolean,
): Promise<Keys> {
  const directory = await PublicKeyDirectory.fromSignedManifest({ read: async () => manifest, rootBundle, clock });
  const signer = new PermitSigner({ keyPair, clock });
  // A key that the manifest does not hold would sign permits that nobody can verify.
  if (!directory.bundles().some((bundle) => keyIdOf(bundle, signer.suite) === signer.keyId)) {
    throw new ConfigError("manifest: this node's key is not in it; sign a manifest that holds the key, and give that");
  }
  const verifier = new PermitVerifier({ directory, suite: signer.suite });
  return { signer, verifier, manifest, manifestVersion: directory.version ?? 0, ephemeral };
}

function readKeyFile<T>(setting: string, file: string, read: (bytes: Uint8Array) => T): T {
  try {
    return read(readFileSync(file));
  } catch (error) {
    // Only codes: the text of a parser may quote the secret it could not read.
    throw new ConfigError(
      `${setting}: cannot read ${file}: ${(error as NodeJS.ErrnoException).code ?? "not a file of this kind"}`,
    );
  }
}
