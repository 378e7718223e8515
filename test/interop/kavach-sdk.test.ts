/** Both directions with the published Python package kavach-sdk 0.1.5: what either writes, the other reads, and refuses when it was changed. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AuditEntry, SignedAuditChain } from "@kavach/audit";
import {
  bundleFromBytes,
  bundleToBytes,
  DirectoryTokenVerifier,
  KavachKeyPair,
  PermitToken,
  PqTokenSigner,
  PublicKeyDirectory,
  SecureChannel,
} from "@kavach/crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { KavachSdk } from "./kavach-sdk.ts";

const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64");
const changed = (bytes: Uint8Array, at: number) => bytes.with(at, (bytes[at] as number) ^ 1);

let sdk: KavachSdk;
let folder: string;
/** Ours was made here, theirs there. */
let ours: KavachKeyPair;
let theirs: KavachKeyPair;
beforeAll(async () => {
  sdk = await KavachSdk.start();
  folder = await mkdtemp(join(tmpdir(), "kavach-sdk-"));
  ours = KavachKeyPair.generate();
  theirs = KavachKeyPair.fromSecretBytes(await sdk.bytes("generate"));
}, 180_000);
afterAll(async () => {
  sdk.stop();
  await rm(folder, { recursive: true });
});

const secretOf = (keyPair: KavachKeyPair) => base64(keyPair.toSecretBytes());
const publicOf = (keyPair: KavachKeyPair) => base64(bundleToBytes(keyPair.publicKeys()));
const MODES = [true, false];
const TOKEN = {
  tokenId: "0194f2c0-0000-7000-8000-000000000001",
  evaluationId: "0194f2c0-0000-7000-8000-000000000002",
  issuedAt: 1_800_000_000,
  expiresAt: 1_800_000_030,
  actionName: "rückerstattung/払い戻し",
};
const token = new PermitToken(TOKEN);
const pythonToken = {
  token_id: TOKEN.tokenId,
  evaluation_id: TOKEN.evaluationId,
  issued_at: TOKEN.issuedAt,
  expires_at: TOKEN.expiresAt,
  action_name: TOKEN.actionName,
};
const signerOf = (keyPair: KavachKeyPair, hybrid: boolean) =>
  hybrid ? PqTokenSigner.fromKeypairHybrid(keyPair) : PqTokenSigner.fromKeypairPqOnly(keyPair);

describe("keys", () => {
  it("are read and written alike, and mean the same public keys", async () => {
    for (const keyPair of [ours, theirs]) {
      const secret = secretOf(keyPair);
      expect(base64(await sdk.bytes("rewrite_secret", { secret }))).toBe(secret);
      expect(bundleFromBytes(await sdk.bytes("public", { secret }))).toEqual(keyPair.publicKeys());
    }
  });

  it("travel in files", async () => {
    const path = join(folder, "key");
    await ours.saveToFile(path);
    expect(await sdk.bytes("load_key_file", { path })).toEqual(ours.toSecretBytes());
    await sdk.ask("save_key_file", { path, secret: secretOf(theirs) });
    expect((await KavachKeyPair.loadFromFile(path)).toSecretBytes()).toEqual(theirs.toSecretBytes());
  });
});

describe.each(MODES)("permits (hybrid: %s)", (hybrid) => {
  it("signed here verify there, and fail there when they were changed", async () => {
    const signature = await signerOf(ours, hybrid).sign(token);
    const ask = { secret: secretOf(ours), hybrid, token: pythonToken, signature: base64(signature) };
    await sdk.ask("verify", ask);
    await expect(sdk.ask("verify", { ...ask, hybrid: !hybrid })).rejects.toThrow();
    await expect(sdk.ask("verify", { ...ask, token: { ...pythonToken, expires_at: 1 } })).rejects.toThrow();
    await expect(sdk.ask("verify", { ...ask, secret: secretOf(theirs) })).rejects.toThrow();
  });

  it("signed there verify here, and fail here when they were changed", async () => {
    const signature = await sdk.bytes("sign", { secret: secretOf(theirs), hybrid, token: pythonToken });
    const directory = PublicKeyDirectory.inMemory([theirs.publicKeys()]);
    await signerOf(theirs, hybrid).verify(token, signature);
    await new DirectoryTokenVerifier(directory, { hybrid }).verify(token, signature);
    const other = new PermitToken({ ...TOKEN, actionName: "delete_order" });
    await expect(signerOf(theirs, hybrid).verify(other, signature)).rejects.toThrow();
    await expect(signerOf(theirs, !hybrid).verify(token, signature)).rejects.toThrow();
    await expect(signerOf(ours, hybrid).verify(token, signature)).rejects.toThrow();
  });
});

describe("manifests", () => {
  const bundles = () => [ours.publicKeys(), theirs.publicKeys()];
  const publics = () => [publicOf(ours), publicOf(theirs)];
  const rootKey = (keyPair: KavachKeyPair) => keyPair.publicKeys().mlDsaVerifyingKey;

  it("made here serve a verifier there, and none that has another root", async () => {
    const signature = await signerOf(ours, true).sign(token);
    const ask = { hybrid: true, token: pythonToken, signature: base64(signature) };
    const unsigned = base64(PublicKeyDirectory.buildUnsignedManifest(bundles()));
    await sdk.ask("verify_by_directory", { ...ask, manifest: unsigned, root: null });
    const signed = ours.buildSignedManifest(bundles());
    const root = base64(rootKey(ours));
    await sdk.ask("verify_by_directory", { ...ask, manifest: base64(signed), root });
    for (const wrong of [
      { manifest: base64(signed), root: base64(rootKey(theirs)) },
      { manifest: base64(changed(signed, 200)), root },
    ]) {
      await expect(sdk.ask("verify_by_directory", { ...ask, ...wrong })).rejects.toThrow();
    }
  });

  it("made there serve a verifier here, and none that has another root", async () => {
    const path = join(folder, "manifest");
    await writeFile(path, await sdk.bytes("unsigned_manifest", { publics: publics() }));
    expect((await PublicKeyDirectory.fromFile(path)).bundles()).toEqual(bundles());
    const signed = await sdk.bytes("signed_manifest", { secret: secretOf(theirs), publics: publics() });
    await writeFile(path, signed);
    const load = (keyPair: KavachKeyPair) =>
      PublicKeyDirectory.fromSignedFile(path, { rootMlDsaVerifyingKey: rootKey(keyPair) });
    expect((await load(theirs)).bundles()).toEqual(bundles());
    await expect(load(ours)).rejects.toMatchObject({ code: "RootSignatureInvalid" });
    await writeFile(path, changed(signed, 200));
    await expect(load(theirs)).rejects.toMatchObject({ name: "DirectoryError" });
  });
});

describe.each(MODES)("audit chains (hybrid: %s)", (hybrid) => {
  it("written here verify there, and fail there when they were changed", async () => {
    const chain = new SignedAuditChain(ours, { hybrid });
    chain.append(new AuditEntry("agent-alice", "issue_refund", "permit", "token=abc"));
    chain.append(new AuditEntry("agent-bob", "issue_refund", "refuse", "größe 払い戻し", { resource: "orders/1" }));
    const ask = { public: publicOf(ours), hybrid, blob: base64(chain.exportJsonl()) };
    expect(await sdk.ask("verify_chain", ask)).toBe(2);
    expect(await sdk.ask("verify_chain", { ...ask, hybrid: null })).toBe(2);
    await expect(sdk.ask("verify_chain", { ...ask, hybrid: !hybrid })).rejects.toThrow();
    await expect(sdk.ask("verify_chain", { ...ask, public: publicOf(theirs) })).rejects.toThrow();
  });

  it("written there verify here, and fail here when they were changed", async () => {
    const blob = await sdk.bytes("chain", { secret: secretOf(theirs), hybrid });
    const bundle = theirs.publicKeys();
    expect(SignedAuditChain.verifyJsonl(blob, bundle, { hybrid })).toBe(2);
    expect(() => SignedAuditChain.verifyJsonl(blob, bundle, { hybrid: !hybrid })).toThrow();
    expect(() => SignedAuditChain.verifyJsonl(blob, ours.publicKeys(), { hybrid })).toThrow();
  });
});

describe("channel messages", () => {
  const data = Uint8Array.from({ length: 300 }, (_, i) => i);
  const mine = () => new SecureChannel(ours, theirs.publicKeys(), { compatibility: "v1" });
  const peer = () => ({ secret: secretOf(theirs), public: publicOf(ours), context: "größe", data: base64(data) });

  it("sealed here are opened there, once and in their context", async () => {
    const sealed = await mine().sendSigned(data, { contextId: "größe", correlationId: "c-1" });
    expect(await sdk.bytes("receive_signed", { ...peer(), sealed: base64(sealed) })).toEqual(data);
    await expect(sdk.ask("receive_signed", { ...peer(), sealed: base64(sealed), context: "x" })).rejects.toThrow();
    const unsigned = base64(mine().sendData(data));
    expect(await sdk.bytes("receive_data", { ...peer(), sealed: unsigned })).toEqual(data);
    await expect(sdk.ask("receive_signed", { ...peer(), sealed: unsigned })).rejects.toThrow();
  });

  it("sealed there are opened here, once and in their context", async () => {
    const sealed = await sdk.bytes("send_signed", peer());
    const channel = mine();
    await expect(channel.receiveSigned(sealed, { expectedContextId: "x" })).rejects.toMatchObject({
      code: "WRONG_CONTEXT",
    });
    expect(await channel.receiveSigned(sealed, { expectedContextId: "größe" })).toEqual(data);
    await expect(channel.receiveSigned(sealed, { expectedContextId: "größe" })).rejects.toMatchObject({
      code: "REPLAYED",
    });
    expect(channel.receiveData(await sdk.bytes("send_data", peer()))).toEqual(data);
  });
});
