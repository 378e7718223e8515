import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { PublicKeyDirectory } from "../directory/directory.ts";
import { DirectoryError, TokenError } from "../errors.ts";
import { KavachKeyPair } from "../keys/key-pair.ts";
import { clockAt } from "../permits/permit-fixture.ts";
import { apply, type Op } from "./changes-fixture.ts";
import { DirectoryTokenVerifier } from "./directory-token-verifier.ts";
import { PermitToken } from "./permit-token.ts";
import { PqTokenSigner } from "./pq-token-signer.ts";

type Answers = Record<string, { readonly ok: boolean }>;
interface Token {
  readonly token_id: string;
  readonly evaluation_id: string;
  readonly issued_at: number;
  readonly expires_at: number;
  readonly action_name: string;
}
interface Permit {
  readonly name: string;
  readonly mode: "hybrid" | "pq_only";
  readonly signer: string;
  readonly token: Token;
  readonly canonical_bytes_hex?: string;
  readonly envelope: string;
  readonly python: Answers;
}
interface Tampered {
  readonly name: string;
  readonly base: string;
  readonly token_changes?: Partial<Token>;
  readonly envelope_ops?: readonly Op[];
  readonly envelope_raw_b64?: string;
  readonly envelope_prefix?: string;
  readonly envelope_suffix?: string;
  readonly envelope_replace_start?: readonly [string, string];
  readonly python: Answers;
}

const FOLDER = join(import.meta.dirname, "../../../../test/vectors/kavach-python");
const load = (file: string) => JSON.parse(readFileSync(join(FOLDER, file), "utf8"));
const { permits, tampered } = load("permits.json") as { permits: Permit[]; tampered: Tampered[] };
const keyPairs = new Map<string, KavachKeyPair>(
  load("keys.json").keypairs.map((key: { name: string; secret_bytes_b64: string }) => [
    key.name,
    KavachKeyPair.fromSecretBytes(Buffer.from(key.secret_bytes_b64, "base64")),
  ]),
);
const alice = keyPairs.get("alice") as KavachKeyPair;
// The day the vectors were made.
const clock = clockAt(Date.parse("2026-11-24T11:00:00Z"));
const directory = PublicKeyDirectory.inMemory([...keyPairs.values()].map((keyPair) => keyPair.publicKeys()));

const VERIFIERS: Record<string, { verify(token: PermitToken, signature: Uint8Array): Promise<void> }> = {
  signer_hybrid: PqTokenSigner.fromKeypairHybrid(alice, { clock }),
  signer_pq_only: PqTokenSigner.fromKeypairPqOnly(alice, { clock }),
  directory_hybrid: new DirectoryTokenVerifier(directory, { clock }),
  directory_pq_only: new DirectoryTokenVerifier(directory, { clock, hybrid: false }),
  directory_hybrid_enforce_expiry_false: new DirectoryTokenVerifier(directory, { clock, enforceExpiry: false }),
};

const tokenOf = (token: Token) =>
  new PermitToken({
    tokenId: token.token_id,
    evaluationId: token.evaluation_id,
    issuedAt: token.issued_at,
    expiresAt: token.expires_at,
    actionName: token.action_name,
  });

function envelopeOf(change: Tampered, base: Permit): Uint8Array {
  if (change.envelope_raw_b64 !== undefined) return new Uint8Array(Buffer.from(change.envelope_raw_b64, "base64"));
  const json = JSON.parse(base.envelope);
  for (const op of change.envelope_ops ?? []) apply(json, op);
  let text = change.envelope_ops === undefined ? base.envelope : JSON.stringify(json);
  const [from = "", to = ""] = change.envelope_replace_start ?? [];
  if (text.startsWith(from)) text = to + text.slice(from.length);
  return new TextEncoder().encode(`${change.envelope_prefix ?? ""}${text}${change.envelope_suffix ?? ""}`);
}

/** Accepts or refuses as the Python package did, and refuses with an error of its closed set. */
async function expectAnswers(answers: Answers, token: PermitToken, envelope: Uint8Array) {
  for (const [name, { ok }] of Object.entries(answers)) {
    const error = await VERIFIERS[name]?.verify(token, envelope).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error === undefined, `${name}: ${error}`).toBe(ok);
    if (!ok) expect(error instanceof TokenError || error instanceof DirectoryError, name).toBe(true);
  }
}

describe("permits of the Python package 0.1.5", () => {
  it.each(permits)("$name: the same signed bytes, the same answers", async (permit) => {
    const token = tokenOf(permit.token);
    if (permit.canonical_bytes_hex !== undefined) {
      expect(Buffer.from(token.canonicalBytes()).toString("hex")).toBe(permit.canonical_bytes_hex);
    }
    await expectAnswers(permit.python, token, new TextEncoder().encode(permit.envelope));
  });

  it.each(tampered)("$name: the same answers", async (change) => {
    const base = permits.find(({ name }) => name === change.base) as Permit;
    await expectAnswers(change.python, tokenOf({ ...base.token, ...change.token_changes }), envelopeOf(change, base));
  });

  it.each(permits)("$name: signed here, it has the same form and verifies in the same places", async (permit) => {
    const keyPair = keyPairs.get(permit.signer) as KavachKeyPair;
    const early = { clock: clockAt(0) };
    const hybrid = permit.mode === "hybrid";
    const signer = hybrid
      ? PqTokenSigner.fromKeypairHybrid(keyPair, early)
      : PqTokenSigner.fromKeypairPqOnly(keyPair, early);
    const token = tokenOf(permit.token);
    const envelope = await signer.sign(token);
    const [ours, theirs] = [JSON.parse(new TextDecoder().decode(envelope)), JSON.parse(permit.envelope)];
    expect(Object.keys(ours)).toEqual(Object.keys(theirs));
    expect([ours.key_id, ours.algorithm]).toEqual([theirs.key_id, theirs.algorithm]);
    await expectAnswers(permit.python, token, envelope);
  });

  it("are as many as there were", () => {
    expect([permits.length, tampered.length]).toEqual([9, 55]);
  });
});
