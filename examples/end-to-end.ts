/** The guide's end-to-end script, step by step, every surface of the SDK in one run: policies, invariants, guards, signed permits, drift, audit chain, directory, channel, reload. */
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  ActionContext,
  AuditEntry,
  Caller,
  DirectoryTokenVerifier,
  Gate,
  GeoLocation,
  guarded,
  KavachKeyPair,
  PermitToken,
  PqTokenSigner,
  PublicKeyDirectory,
  Refused,
  SecureChannel,
  SignedAuditChain,
} from "kavach";

const POLICY = {
  policies: [
    {
      name: "support_small_refunds",
      effect: "permit",
      conditions: [
        { identity_role: "support" },
        { action: "issue_refund" },
        { param_max: { field: "amount", max: 5000.0 } },
      ],
    },
    { name: "allow_fetch_report", effect: "permit", conditions: [{ action: "fetch_report" }] },
  ],
};
const CAP = [["hard_cap", "amount", 10_000.0]] as const;

async function signedGate(): Promise<{ gate: Gate; context: ActionContext }> {
  // 1. A signed gate.
  const signer = PqTokenSigner.generateHybrid();
  const gate = Gate.fromObject(POLICY, { invariants: CAP, tokenSigner: signer, geoDriftMaxKm: 500.0 });

  // 2. A permit, verified by the facts it carries.
  const context = new ActionContext({
    principalId: "agent-alice",
    principalKind: "agent",
    actionName: "issue_refund",
    roles: ["support"],
    params: { amount: 1500.0 },
  });
  const verdict = await gate.evaluate(context);
  assert(verdict.isPermit);
  const { signature, ...facts } = verdict.permitToken;
  assert(signature);
  await signer.verify(new PermitToken(facts), signature);

  // 3. An amount above the policy's limit and the invariant's: whatever a policy says, the cap holds.
  assert((await gate.evaluate(context.withParam("amount", 25_000.0))).isRefuse);
  return { gate, context };
}

async function guards(gate: Gate): Promise<void> {
  // 4. A function that runs only when the gate permits.
  const issueRefund = guarded(
    gate,
    { action: "issue_refund", params: ([, amount]: [orderId: string, amount: number]) => ({ amount }) },
    async (orderId: string, amount: number) => ({ status: "refunded", orderId, amount }),
  );
  const alice = new Caller({ principalId: "agent-alice", principalKind: "agent", roles: ["support"] });
  console.log("guarded result:", await issueRefund(alice, "ORD-1", 500.0));
  await assert.rejects(issueRefund(alice, "ORD-2", 999_999.0), (error) => {
    assert(error instanceof Refused);
    console.log("guard blocked:", error.message);
    return true;
  });
}

async function geoDrift(gate: Gate): Promise<void> {
  // 5. A session that moved 290 km, within the 500 it may move.
  const bangalore = new GeoLocation("IN", { city: "Bangalore", latitude: 12.97, longitude: 77.59 });
  const chennai = new GeoLocation("IN", { city: "Chennai", latitude: 13.08, longitude: 80.27 });
  const verdict = await gate.evaluate(
    new ActionContext({
      principalId: "alice",
      principalKind: "user",
      actionName: "fetch_report",
      ip: "10.0.0.1",
      originGeo: bangalore,
      currentGeo: chennai,
    }),
  );
  console.log("tolerant geo verdict:", verdict.isPermit ? "permit" : "blocked");
  assert(verdict.isPermit);
}

function auditChain(keyPair: KavachKeyPair): void {
  // 6. A signed audit chain, in memory and as text.
  const chain = new SignedAuditChain(keyPair, { hybrid: true });
  chain.append(new AuditEntry("agent-alice", "issue_refund", "permit", "token=abc"));
  chain.append(new AuditEntry("agent-alice", "issue_refund", "refuse", "over cap"));
  chain.verify(keyPair.publicKeys());
  const blob = chain.exportJsonl();
  assert.equal(SignedAuditChain.verifyJsonl(blob, keyPair.publicKeys(), { hybrid: true }), 2);
}

async function directory(keyPair: KavachKeyPair, folder: string): Promise<void> {
  // 7. A directory that its root has signed, and a verifier that finds keys in it.
  const root = KavachKeyPair.generate();
  const path = join(folder, "directory.json");
  await writeFile(path, root.buildSignedManifest([keyPair.publicKeys()]));
  const keys = await PublicKeyDirectory.fromSignedFile(path, {
    rootMlDsaVerifyingKey: root.publicKeys().mlDsaVerifyingKey,
  });
  const token = new PermitToken({
    tokenId: crypto.randomUUID(),
    evaluationId: crypto.randomUUID(),
    issuedAt: 1_700_000_000,
    expiresAt: 1_700_000_030,
    actionName: "issue_refund",
  });
  const signature = await PqTokenSigner.fromKeypairHybrid(keyPair).sign(token);
  await new DirectoryTokenVerifier(keys, { hybrid: true }).verify(token, signature);
  console.log("directory-backed verify ok");
}

async function secureChannel(): Promise<void> {
  // 8. A channel between two key pairs.
  const [alice, bob] = [KavachKeyPair.generate(), KavachKeyPair.generate()];
  const toBob = new SecureChannel(alice, bob.publicKeys());
  const fromAlice = new SecureChannel(bob, alice.publicKeys());
  const hello = new TextEncoder().encode("hello bob");
  const sealed = await toBob.sendSigned(hello, { contextId: "greet", correlationId: "c-1" });
  const received = await fromAlice.receiveSigned(sealed, { expectedContextId: "greet" });
  assert.equal(new TextDecoder().decode(received), "hello bob");
  console.log("secure channel roundtrip ok");
}

async function reload(gate: Gate, context: ActionContext): Promise<void> {
  // 9. An empty policy set refuses everything; another gate of the full set permits as before, and so does this one once it has it back.
  gate.reload("");
  assert((await gate.evaluate(context)).isRefuse);
  const second = Gate.fromObject(POLICY, { invariants: CAP });
  assert((await second.evaluate(context)).isPermit);
  gate.reload(POLICY);
  assert((await gate.evaluate(context)).isPermit);
  console.log("reload roundtrip ok");
}

const { gate, context } = await signedGate();
await guards(gate);
await geoDrift(gate);
const keyPair = KavachKeyPair.generate();
auditChain(keyPair);
const folder = await mkdtemp(join(tmpdir(), "kavach-end-to-end-"));
try {
  await directory(keyPair, folder);
} finally {
  await rm(folder, { recursive: true });
}
await secureChannel();
await reload(gate, context);
