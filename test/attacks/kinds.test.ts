/** Every kind of signed thing, presented to the verifier of every other kind: each is refused with that verifier's own typed reason. */
import { AuditEntry, openCheckpoint, SignedAuditChain, signCheckpoint } from "@kavach/audit";
import {
  buildSignedManifest,
  HYBRID_SUITE,
  KavachKeyPair,
  openSignedManifest,
  PermitSigner,
  PermitToken,
  PermitVerifier,
  PqTokenSigner,
  PublicKeyDirectory,
  paramsDigest,
  parseSignedManifestV1,
  SecureChannel,
} from "@kavach/crypto";
import { beforeAll, describe, expect, it } from "vitest";

const NOW_MS = 1_800_000_000_000;
const clock = { nowMs: () => NOW_MS, monotonicMs: () => 0 };
// One key signs everything here, as no service would: the kinds must be told apart even so.
const keyPair = KavachKeyPair.generate({ clock });
const bundle = keyPair.publicKeys();
const NOTHING = new Map<string, string>();
const token = new PermitToken({
  tokenId: "00000000-0000-4000-8000-000000000001",
  evaluationId: "00000000-0000-4000-8000-000000000002",
  issuedAt: 1_800_000_000,
  expiresAt: 1_800_000_030,
  actionName: "issue_refund",
});

interface Kind {
  readonly make: () => Promise<Uint8Array>;
  /** Resolves when the bytes are accepted; rejects with the reason. */
  readonly verify: (bytes: Uint8Array) => Promise<unknown>;
}

const channel = (options: object) => new SecureChannel(keyPair, bundle, { clock, ...options });
const channelKind = (options: object): Kind => ({
  make: () => channel(options).sendSigned(Uint8Array.of(1), { contextId: "c", correlationId: "" }),
  verify: (bytes) => channel(options).receiveSigned(bytes, { expectedContextId: "c" }),
});

const KINDS: Readonly<Record<string, Kind>> = {
  "permit v2": {
    make: () =>
      new PermitSigner({ keyPair, clock }).seal({
        realm: "default",
        tokenId: new Uint8Array(16),
        evaluationId: new Uint8Array(16),
        principal: { id: "agent-7", kind: "agent", roles: [] },
        sessionId: "",
        action: "issue_refund",
        resource: "",
        paramsDigest: paramsDigest(NOTHING),
        audience: [],
        policyDigest: new Uint8Array(32),
        revision: { generation: 1, number: 0 },
        issuedAtMs: NOW_MS,
        notBeforeMs: NOW_MS,
        expiresAtMs: NOW_MS + 30_000,
        singleUse: false,
        mode: "enforce",
      }),
    verify: async (bytes) => {
      const verifier = new PermitVerifier({ directory: PublicKeyDirectory.inMemory([bundle]) });
      const action = { name: "issue_refund", resource: "", params: NOTHING };
      const verified = await verifier.verify(bytes, {
        realm: "default",
        principalId: "agent-7",
        action,
        nowMs: NOW_MS,
      });
      if (verified.kind === "invalid") throw Object.assign(new Error(verified.failure), { code: verified.failure });
    },
  },
  "manifest v2": {
    make: () =>
      buildSignedManifest(keyPair, { bundles: [bundle], version: 1, expiresAtMs: NOW_MS + 1000, nowMs: NOW_MS }),
    verify: (bytes) => openSignedManifest(bytes, bundle, { nowMs: NOW_MS, versionMin: 0 }),
  },
  "audit checkpoint v2": {
    make: () =>
      signCheckpoint(
        { origin: "kavach/node", size: 0, root: new Uint8Array(32), atMs: NOW_MS, suite: HYBRID_SUITE },
        keyPair,
      ),
    verify: (bytes) => openCheckpoint(bytes, { bundles: [bundle], suite: HYBRID_SUITE }),
  },
  "channel message v2": channelKind({}),
  "permit v1": {
    make: () => PqTokenSigner.fromKeypairHybrid(keyPair, { clock }).sign(token),
    verify: (bytes) => PqTokenSigner.fromKeypairHybrid(keyPair, { clock }).verify(token, bytes),
  },
  "manifest v1": {
    make: async () => keyPair.buildSignedManifest([bundle], { clock }),
    verify: async (bytes) => parseSignedManifestV1(bytes, bundle.mlDsaVerifyingKey),
  },
  "audit chain v1": {
    make: async () => {
      const chain = new SignedAuditChain(keyPair, { clock });
      chain.append(new AuditEntry("a", "b", "permit", "", { clock }));
      return chain.exportJsonl();
    },
    verify: async (bytes) => SignedAuditChain.verifyJsonl(bytes, bundle, { hybrid: true }),
  },
  "channel message v1": channelKind({ compatibility: "v1" }),
};

const made = new Map<string, Uint8Array>();
beforeAll(async () => {
  for (const [name, { make }] of Object.entries(KINDS)) made.set(name, await make());
});

describe.each(Object.keys(KINDS))("the verifier of a %s", (reader) => {
  it.each(Object.keys(KINDS))("given a %s", async (written) => {
    const verifying = (KINDS[reader] as Kind).verify(made.get(written) as Uint8Array);
    if (written === reader) await verifying;
    else await expect(verifying).rejects.toMatchObject({ code: expect.stringMatching(/^[A-Za-z_]+$/) });
  });
});

it("a key's secret bytes are read by no verifier", async () => {
  for (const [name, { verify }] of Object.entries(KINDS)) {
    await expect(verify(keyPair.toSecretBytes()), name).rejects.toMatchObject({ code: expect.any(String) });
  }
});
