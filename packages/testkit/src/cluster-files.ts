/** The files every gate-node of one cluster is given: one permit key, the manifest that vouches for it, policies. */
import { buildSignedManifest, bundleToBytes, KavachKeyPair } from "@kavach/crypto";
import type { Clock } from "@kavach/model";

export type ClusterFileName = "permit.key" | "manifest" | "root.pub" | "policies.toml" | "gate-node.toml";

export type ClusterFiles = ReadonlyMap<ClusterFileName, Uint8Array>;

const clock: Clock = { nowMs: () => Date.now(), monotonicMs: () => performance.now() };
const DAY_MS = 86_400_000;

/** Fresh keys at every call: no two clusters trust each other. */
export async function makeClusterFiles(options: {
  readonly policiesToml: string;
  readonly configToml?: string;
}): Promise<ClusterFiles> {
  const permits = KavachKeyPair.generate({ clock });
  const root = KavachKeyPair.generate({ clock });
  const manifest = await buildSignedManifest(root, {
    bundles: [permits.publicKeys()],
    version: 1,
    nowMs: clock.nowMs(),
    expiresAtMs: clock.nowMs() + DAY_MS,
  });
  const files = new Map<ClusterFileName, Uint8Array>([
    ["permit.key", permits.toSecretBytes()],
    ["manifest", manifest],
    ["root.pub", bundleToBytes(root.publicKeys())],
    ["policies.toml", Buffer.from(options.policiesToml)],
  ]);
  if (options.configToml !== undefined) files.set("gate-node.toml", Buffer.from(options.configToml));
  return files;
}
