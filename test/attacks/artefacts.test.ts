/** Artefacts of every format this system has written, kept for ever: each verifies as on the day it was made, and no longer when it is changed. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { AuditLogError, SignedAuditChain, verifyLog } from "@kavach/audit";
import {
  bundleFromBytes,
  DirectoryTokenVerifier,
  KavachKeyPair,
  openSignedManifest,
  PermitToken,
  PermitVerifier,
  PublicKeyDirectory,
  parseSignedManifestV1,
  SecureChannel,
  type Suite,
} from "@kavach/crypto";
import { describe, expect, it } from "vitest";

const FOLDER = join(import.meta.dirname, "../vectors/artefacts");
const LOG = "audit-log-v2/3fdc4bf1-6192-483f-a0ae-1c2fca31d71e";
const MADE_MS = Date.UTC(2026, 10, 24, 12);
const clock = { nowMs: () => MADE_MS + 1, monotonicMs: () => 0 };
const read = async (name: string) => new Uint8Array(await readFile(join(FOLDER, name)));
const base64 = async (name: string) =>
  new Uint8Array(Buffer.from(Buffer.from(await read(name)).toString("latin1"), "base64"));
const keyPair = async (name: string) => KavachKeyPair.fromSecretBytes(await base64(`${name}.key.b64`));
const bundle = async (name: string) => bundleFromBytes(await base64(`${name}.public.b64`));
const changed = (bytes: Uint8Array) => bytes.with(bytes.length >> 1, (bytes[bytes.length >> 1] as number) ^ 1);

const PARAMS = new Map<string, string | number | boolean>([
  ["amount", 250.5],
  ["currency", "EUR"],
]);

async function verifyPermit(token: Uint8Array, resource: string, suite: Suite) {
  const directory = PublicKeyDirectory.inMemory([await bundle("node")]);
  return await new PermitVerifier({ directory, suite }).verify(token, {
    realm: "default",
    principalId: "agent-7",
    action: { name: "issue_refund", resource, params: PARAMS },
    audience: "payments",
    nowMs: MADE_MS + 1,
    allowSingleUse: true,
  });
}

describe("artefacts of the past", () => {
  it.each(["root", "node", "audit", "peer"])("key pair %s has the public keys it had", async (name) => {
    const pair = await keyPair(name);
    expect(pair.publicKeys()).toEqual(await bundle(name));
    expect(pair.toSecretBytes()).toEqual(await base64(`${name}.key.b64`));
  });

  it("encrypted key file opens with its passphrase", async () => {
    const opened = await KavachKeyPair.open(await read("node.key.pem"), { passphrase: "published test passphrase" });
    expect(opened.toSecretBytes()).toEqual(await base64("node.key.b64"));
  });

  it.each([
    ["permit-v2.0.b64", "orders/1", "ml-dsa-65+ed25519"],
    ["permit-v2.1.b64", "orders/2", "ml-dsa-65+ed25519"],
    ["permit-v2.2.b64", "orders/3", "ml-dsa-65+ed25519"],
    ["permit-v2.pq-only.b64", "orders/2", "ml-dsa-65"],
  ] as const)("%s verifies", async (name, resource, suite) => {
    const token = await base64(name);
    expect(await verifyPermit(token, resource, suite)).toMatchObject({ kind: "valid" });
    expect(await verifyPermit(changed(token), resource, suite)).toMatchObject({ kind: "invalid" });
    expect(await verifyPermit(token, "orders/9", suite)).toMatchObject({ failure: "RESOURCE_MISMATCH" });
  });

  it("permit of format 1 verifies", async () => {
    const token = new PermitToken({
      tokenId: "0194f2c0-0000-7000-8000-000000000001",
      evaluationId: "0194f2c0-0000-7000-8000-000000000002",
      issuedAt: MADE_MS / 1000,
      expiresAt: MADE_MS / 1000 + 30,
      actionName: "issue_refund",
    });
    const verifier = new DirectoryTokenVerifier(PublicKeyDirectory.inMemory([await bundle("node")]), { clock });
    const envelope = await read("permit-v1.json");
    await verifier.verify(token, envelope);
    await expect(verifier.verify(token, changed(envelope))).rejects.toMatchObject({ name: "TokenError" });
  });

  it("manifests verify", async () => {
    const root = await bundle("root");
    const two = await read("manifest-v2.json");
    const open = { nowMs: MADE_MS, versionMin: 3 };
    expect(await openSignedManifest(two, root, open)).toMatchObject({ version: 3, expiresAtMs: MADE_MS + 86_400_000 });
    await expect(openSignedManifest(changed(two), root, open)).rejects.toMatchObject({ name: "DirectoryError" });
    const one = await read("manifest-v1.json");
    expect(parseSignedManifestV1(one, root.mlDsaVerifyingKey)).toEqual([await bundle("node")]);
    expect(() => parseSignedManifestV1(changed(one), root.mlDsaVerifyingKey)).toThrow(
      expect.objectContaining({ name: "DirectoryError" }),
    );
  });

  it("channel message opens", async () => {
    const receiver = new SecureChannel(await keyPair("peer"), await bundle("node"), { clock });
    const sealed = await base64("channel-v2.b64");
    const expected = { expectedContextId: "issue_refund" };
    await expect(receiver.receiveSigned(changed(sealed), expected)).rejects.toMatchObject({ name: "ChannelError" });
    const payload = await receiver.receiveSigned(sealed, expected);
    expect(new TextDecoder().decode(payload)).toBe("permit: issue_refund");
  });

  it("audit chain of format 1 verifies", async () => {
    const blob = await read("audit-chain-v1.jsonl");
    expect(SignedAuditChain.verifyJsonl(blob, await bundle("audit"), { hybrid: true })).toBe(2);
  });

  it("audit log verifies against the checkpoint that was published", async () => {
    const options = {
      folder: join(FOLDER, LOG),
      bundles: [await bundle("audit")],
      suite: "ml-dsa-65+ed25519",
    } as const;
    const trusted = await read("audit-log-v2/published-checkpoint");
    expect(await verifyLog({ ...options, trusted })).toEqual({
      origin: "kavach/node-1/3fdc4bf1-6192-483f-a0ae-1c2fca31d71e",
      proven: 12,
      unproven: 0,
      checkpoints: 2,
      provenAtMs: MADE_MS,
    });
    await expect(verifyLog({ ...options, trusted: changed(trusted) })).rejects.toThrow(AuditLogError);
  });
});
