/** What callers without types get wrong: everywhere an error of the class and code that the docs name, and nothing that reads as success. */
import { describe, expect, it } from "vitest";
import {
  AuditEntry,
  buildSignedManifest,
  bundleFromJson,
  bundleToBytes,
  bundleToJson,
  DirectoryTokenVerifier,
  KavachKeyPair,
  KeyRing,
  keyIdOf,
  ManagedAuditChain,
  PermitSigner,
  PermitToken,
  PermitVerifier,
  PqTokenSigner,
  PublicKeyDirectory,
  ReplayMemory,
  SecureChannel,
  SignedAuditChain,
} from "./index.ts";

const keyPair = KavachKeyPair.generate();
const bundle = keyPair.publicKeys();
const directory = PublicKeyDirectory.inMemory([bundle]);
const channel = new SecureChannel(keyPair, bundle);
const ids = { contextId: "c", correlationId: "" };
const bytes = Uint8Array.of(1);
const raw = { mlDsaSigningKey: new Uint8Array(32), mlDsaVerifyingKey: bundle.mlDsaVerifyingKey, keyId: "k" };
const token = new PermitToken({
  tokenId: "00000000-0000-4000-8000-000000000001",
  evaluationId: "00000000-0000-4000-8000-000000000002",
  issuedAt: 1,
  expiresAt: 2,
  actionName: "a",
});
const chain = new SignedAuditChain(keyPair);
chain.append(new AuditEntry("a", "b", "permit", ""));
const blob = chain.exportJsonl();

const NOT_BYTES: readonly unknown[] = [
  undefined,
  null,
  "",
  "x".repeat(32),
  1,
  [1],
  {},
  blob.buffer,
  new DataView(blob.buffer),
];
const NO_OBJECTS: readonly unknown[] = [null, true, 3600, "hybrid"];
const NO_KEY_PAIRS: readonly unknown[] = [undefined, null, "", {}, bundle, Object.create(KavachKeyPair.prototype)];

type Call = (wrong: never) => unknown;
type Case = readonly [name: string, wrongs: readonly unknown[], expected: object, call: Call];
const crypto = (code: string) => ({ name: "CryptoError", code });

const CASES: readonly Case[] = [
  ["KavachKeyPair.fromSecretBytes", NOT_BYTES, crypto("KEY_CORRUPT"), (it) => KavachKeyPair.fromSecretBytes(it)],
  ["KavachKeyPair.open", NOT_BYTES, crypto("KEY_CORRUPT"), (it) => KavachKeyPair.open(it)],
  ["options of generate", NO_OBJECTS, crypto("OPTION_INVALID"), (it) => KavachKeyPair.generate(it)],
  ["options of saveToFile", NO_OBJECTS, crypto("OPTION_INVALID"), (it) => keyPair.saveToFile("/nowhere", it)],
  [
    "a work factor without a passphrase",
    [14],
    crypto("OPTION_INVALID"),
    (workFactor) => keyPair.saveToFile("/nowhere", { workFactor }),
  ],
  [
    "a bundle to bytes",
    [undefined, null, {}, { ...bundle, mlDsaVerifyingKey: bytes }],
    crypto("KEY_CORRUPT"),
    (it) => bundleToBytes(it),
  ],
  ["a bundle to JSON", [undefined, null, {}, { ...bundle, id: "" }], crypto("KEY_CORRUPT"), (it) => bundleToJson(it)],
  ["an id without UTF-8", ["\ud800"], crypto("KEY_CORRUPT"), (id) => bundleFromJson({ ...bundleToJson(bundle), id })],
  ["the key id of no bundle", [undefined, null, {}], crypto("KEY_CORRUPT"), (it) => keyIdOf(it, "ml-dsa-65")],
  ["the key id in no suite", [undefined, null, "", "ML-DSA-65"], crypto("OPTION_INVALID"), (it) => keyIdOf(bundle, it)],
  [
    "a list of bundles",
    [undefined, null, {}, "x", bundle],
    crypto("KEY_CORRUPT"),
    (it) => keyPair.buildSignedManifest(it),
  ],
  [
    "an unsigned list",
    [undefined, null, {}, [{}]],
    crypto("KEY_CORRUPT"),
    (it) => PublicKeyDirectory.buildUnsignedManifest(it),
  ],
  [
    "a manifest's root",
    NO_KEY_PAIRS.slice(0, 5),
    crypto("KEY_CORRUPT"),
    (it) => buildSignedManifest(it, { bundles: [bundle], version: 1, nowMs: 1, expiresAtMs: 2 }),
  ],
  ["a manifest's options", NO_OBJECTS, crypto("OPTION_INVALID"), (it) => buildSignedManifest(keyPair, it)],
  [
    "what nobody reads of a manifest",
    [{ suit: "ml-dsa-65" }, { suite: "x" }],
    crypto("OPTION_INVALID"),
    (it) =>
      buildSignedManifest(keyPair, { bundles: [bundle], version: 1, nowMs: 1, expiresAtMs: 2, ...(it as object) }),
  ],
  [
    "what nobody reads of a source",
    [{ versionMinimum: 5 }, { read: undefined }, { suite: "x" }],
    crypto("OPTION_INVALID"),
    (it) => PublicKeyDirectory.fromSignedManifest({ read: async () => bytes, rootBundle: bundle, ...(it as object) }),
  ],
  ["a source", [undefined, ...NO_OBJECTS], crypto("OPTION_INVALID"), (it) => PublicKeyDirectory.fromSignedManifest(it)],
  [
    "a directory of no list",
    [null, {}, 1],
    { name: "DirectoryError", code: "Corrupt" },
    (it) => PublicKeyDirectory.inMemory(it),
  ],
  [
    "PqTokenSigner.fromKeypairHybrid",
    NO_KEY_PAIRS.slice(0, 5),
    crypto("KEY_CORRUPT"),
    (it) => PqTokenSigner.fromKeypairHybrid(it),
  ],
  ["raw keys", [undefined, null, {}, "x"], crypto("KEY_CORRUPT"), (it) => PqTokenSigner.hybrid(it)],
  [
    "a raw signing key",
    [undefined, null, "", "x".repeat(32), new Array(32).fill(1)],
    crypto("KEY_CORRUPT"),
    (it) => PqTokenSigner.pqOnly({ ...raw, mlDsaSigningKey: it }),
  ],
  [
    "a raw verifying key",
    NOT_BYTES,
    crypto("KEY_CORRUPT"),
    (it) => PqTokenSigner.pqOnly({ ...raw, mlDsaVerifyingKey: it }),
  ],
  [
    "a raw key's id",
    [undefined, null, "", 1, "\ud800"],
    crypto("KEY_CORRUPT"),
    (it) => PqTokenSigner.pqOnly({ ...raw, keyId: it }),
  ],
  [
    "DirectoryTokenVerifier",
    [undefined, null, {}, []],
    crypto("OPTION_INVALID"),
    (it) => new DirectoryTokenVerifier(it),
  ],
  [
    "options of DirectoryTokenVerifier",
    NO_OBJECTS,
    crypto("OPTION_INVALID"),
    (it) => new DirectoryTokenVerifier(directory, it),
  ],
  ["KeyRing", [undefined, ...NO_OBJECTS], crypto("OPTION_INVALID"), (it) => new KeyRing(it)],
  ["an active key", NO_KEY_PAIRS, { name: expect.stringMatching(/Error$/) }, (it) => new KeyRing({ active: it })],
  [
    "a key to rotate to",
    NO_KEY_PAIRS.slice(0, 5),
    crypto("KEY_CORRUPT"),
    (it) => new KeyRing({ active: keyPair }).rotate(it),
  ],
  ["PermitSigner", [undefined, ...NO_OBJECTS], crypto("OPTION_INVALID"), (it) => new PermitSigner(it)],
  ["PermitSigner's key pair", [null, "", {}, bundle], crypto("KEY_CORRUPT"), (it) => new PermitSigner({ keyPair: it })],
  [
    "PermitSigner's key ring",
    [null, "", {}, keyPair],
    crypto("OPTION_INVALID"),
    (it) => new PermitSigner({ keyRing: it }),
  ],
  ["PermitVerifier", [undefined, ...NO_OBJECTS], crypto("OPTION_INVALID"), (it) => new PermitVerifier(it)],
  ["SecureChannel's own keys", NO_KEY_PAIRS.slice(0, 5), crypto("KEY_CORRUPT"), (it) => new SecureChannel(it, bundle)],
  [
    "SecureChannel's other keys",
    [undefined, null, {}, keyPair],
    crypto("KEY_CORRUPT"),
    (it) => new SecureChannel(keyPair, it),
  ],
  ["options of SecureChannel", NO_OBJECTS, crypto("OPTION_INVALID"), (it) => new SecureChannel(keyPair, bundle, it)],
  [
    "a replay memory",
    [null, {}, new Map(), { take: () => {} }],
    crypto("OPTION_INVALID"),
    (it) => new SecureChannel(keyPair, bundle, { replayMemory: it }),
  ],
  ["options of ReplayMemory", NO_OBJECTS, crypto("OPTION_INVALID"), (it) => new ReplayMemory(it)],
  ["a message", NOT_BYTES, crypto("CLAIMS_INVALID"), (it) => channel.sendSigned(it, ids)],
  [
    "options of sendSigned",
    [undefined, ...NO_OBJECTS],
    crypto("OPTION_INVALID"),
    (it) => channel.sendSigned(bytes, it),
  ],
  [
    "a sealed message",
    NOT_BYTES,
    { name: "ChannelError", code: "MALFORMED" },
    (it) => channel.receiveSigned(it, { expectedContextId: "c" }),
  ],
  [
    "options of receiveSigned",
    [undefined, ...NO_OBJECTS],
    crypto("OPTION_INVALID"),
    (it) => channel.receiveSigned(bytes, it),
  ],
  ["a chain's key pair", [undefined, null, {}, bundle], crypto("KEY_CORRUPT"), (it) => new SignedAuditChain(it)],
  ["options of a chain", NO_OBJECTS, { name: "RangeError" }, (it) => new SignedAuditChain(keyPair, it)],
  [
    "a chain's mode",
    [null, 0, "", "false"],
    { name: "RangeError" },
    (hybrid) => new SignedAuditChain(keyPair, { hybrid }),
  ],
  [
    "a managed chain's mode",
    [null, 0, "", "false"],
    { name: "RangeError" },
    (hybrid) => ManagedAuditChain.create(keyPair, "/nowhere/chain", { hybrid }),
  ],
  [
    "a managed chain's key pair",
    [undefined, {}],
    crypto("KEY_CORRUPT"),
    (it) => ManagedAuditChain.create(it, "/nowhere/chain"),
  ],
  ["an entry", [undefined, null, {}, "x"], { name: "RangeError" }, (it) => new SignedAuditChain(keyPair).append(it)],
  [
    "an entry's id",
    [null, ["00000000-0000-4000-8000-000000000001"], "x"],
    { name: "RangeError" },
    (id) => new AuditEntry("a", "b", "permit", "", { id }),
  ],
  [
    "a token's id",
    [undefined, ["00000000-0000-4000-8000-000000000001"]],
    crypto("CLAIMS_INVALID"),
    (tokenId) => new PermitToken({ ...token, tokenId }),
  ],
  ["an entry's principal", [undefined, null, 1], { name: "RangeError" }, (it) => new AuditEntry(it, "b", "permit", "")],
  ["a verified chain's bundle", [undefined, null, {}], crypto("KEY_CORRUPT"), (it) => chain.verify(it)],
  [
    "a chain to verify",
    NOT_BYTES,
    { name: "AuditChainError", code: "ENTRY_UNREADABLE" },
    (it) => SignedAuditChain.verifyJsonl(it, bundle),
  ],
  [
    "a list of segments",
    [undefined, null, blob, "x", {}],
    { name: "RangeError" },
    (it) => SignedAuditChain.verifyJsonlSegments(it, bundle),
  ],
  ["how to verify", NO_OBJECTS, { name: "RangeError" }, (it) => SignedAuditChain.verifyJsonl(blob, bundle, it)],
  [
    "the mode to verify",
    [null, 0, "true"],
    { name: "RangeError" },
    (hybrid) => SignedAuditChain.verifyJsonl(blob, bundle, { hybrid }),
  ],
];

describe("a call that is wrong", () => {
  it.each(CASES)("%s: fails by name", async (_name, wrongs, expected, call) => {
    for (const wrong of wrongs) {
      const answer = (async () => await call(wrong as never))();
      await expect(answer, String(Object.prototype.toString.call(wrong))).rejects.toMatchObject(expected);
    }
  });

  it("fails by name where a directory that is not ours answers with what is no bundle", async () => {
    const signature = await PqTokenSigner.fromKeypairHybrid(keyPair).sign(token);
    for (const answer of [undefined, null, {}, { ...bundle, expiresAt: "some day" }]) {
      const verifier = new DirectoryTokenVerifier({ fetch: async () => answer as never });
      await expect(verifier.verify(token, signature)).rejects.toMatchObject({
        name: "DirectoryError",
        code: "Corrupt",
      });
    }
  });

  it.each([
    ["Uint8Array", (key: Uint8Array) => new Uint8Array(key)],
    ["Buffer", (key: Uint8Array) => Buffer.from(key)],
  ])("trusts no key that stood in a bundle's %s before", (_name, copy) => {
    const changed = { ...bundle, ed25519VerifyingKey: copy(bundle.ed25519VerifyingKey) };
    expect(SignedAuditChain.verifyJsonl(blob, changed)).toBe(1);
    changed.ed25519VerifyingKey.set(KavachKeyPair.generate().publicKeys().ed25519VerifyingKey);
    expect(() => SignedAuditChain.verifyJsonl(blob, changed)).toThrow(
      expect.objectContaining({ code: "SIGNATURE_INVALID" }),
    );
  });
});
