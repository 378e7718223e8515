/** Every kind of signed thing that this system reads: how one is made, and how it is verified. */
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

export const NOW_MS = 1_800_000_000_000;
export const clock = { nowMs: () => NOW_MS, monotonicMs: () => 0 };
// One key signs everything here, as no service would: the kinds must be told apart even so.
export const keyPair = KavachKeyPair.generate({ clock });
export const bundle = keyPair.publicKeys();
const NOTHING = new Map<string, string>();
const token = new PermitToken({
  tokenId: "00000000-0000-4000-8000-000000000001",
  evaluationId: "00000000-0000-4000-8000-000000000002",
  issuedAt: 1_800_000_000,
  expiresAt: 1_800_000_030,
  actionName: "issue_refund",
});

export interface Kind {
  readonly make: () => Promise<Uint8Array>;
  /** Resolves when the bytes are accepted; rejects with the reason. */
  readonly verify: (bytes: Uint8Array) => Promise<unknown>;
  /** The code by which its verifier refuses what is of another kind. */
  readonly refusal: string;
}

export const channel = (options: object) => new SecureChannel(keyPair, bundle, { clock, ...options });
const channelKind = (options: object): Kind => ({
  make: () => channel(options).sendSigned(Uint8Array.of(1), { contextId: "c", correlationId: "" }),
  verify: (bytes) => channel(options).receiveSigned(bytes, { expectedContextId: "c" }),
  refusal: "MALFORMED",
});

export const KINDS: Readonly<Record<string, Kind>> = {
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
    refusal: "MALFORMED",
  },
  "manifest v2": {
    make: () =>
      buildSignedManifest(keyPair, { bundles: [bundle], version: 1, expiresAtMs: NOW_MS + 1000, nowMs: NOW_MS }),
    verify: (bytes) => openSignedManifest(bytes, bundle, { nowMs: NOW_MS, versionMin: 0 }),
    refusal: "Corrupt",
  },
  "audit checkpoint v2": {
    make: () =>
      signCheckpoint(
        { origin: "kavach/node", size: 0, root: new Uint8Array(32), atMs: NOW_MS, suite: HYBRID_SUITE },
        keyPair,
      ),
    verify: (bytes) => openCheckpoint(bytes, { bundles: [bundle], suite: HYBRID_SUITE }),
    refusal: "CHECKPOINT_MALFORMED",
  },
  "channel message v2": channelKind({}),
  "permit v1": {
    make: () => PqTokenSigner.fromKeypairHybrid(keyPair, { clock }).sign(token),
    verify: (bytes) => PqTokenSigner.fromKeypairHybrid(keyPair, { clock }).verify(token, bytes),
    refusal: "EnvelopeParse",
  },
  "manifest v1": {
    make: async () => keyPair.buildSignedManifest([bundle], { clock }),
    verify: async (bytes) => parseSignedManifestV1(bytes, bundle.mlDsaVerifyingKey),
    refusal: "Corrupt",
  },
  "audit chain v1": {
    make: async () => {
      const chain = new SignedAuditChain(keyPair, { clock });
      chain.append(new AuditEntry("a", "b", "permit", "", { clock }));
      return chain.exportJsonl();
    },
    verify: async (bytes) => SignedAuditChain.verifyJsonl(bytes, bundle, { hybrid: true }),
    refusal: "ENTRY_UNREADABLE",
  },
  "channel message v1": channelKind({ compatibility: "v1" }),
};
