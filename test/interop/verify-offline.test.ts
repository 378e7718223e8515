/**
 * A verifier in another language that was written from docs/security/permits.md alone, and ours: over permits of a real signer, whole and
 * altered in every way, both say the same.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  buildSignedManifest,
  bundleToBytes,
  HYBRID_SUITE,
  KavachKeyPair,
  type PermitClaimsInit,
  PermitSigner,
  PermitVerifier,
  PublicKeyDirectory,
  paramsDigest,
  randomBytes,
  SUITES,
  type Suite,
} from "@kavach/crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { contentsOf, HEAD, PERMIT, withFields } from "./permit-bytes.ts";
import { preparePython, type RunExample } from "./python-environment.ts";

const NOW_MS = 1_800_000_000_123;
const clock = { nowMs: () => NOW_MS, monotonicMs: () => 0 };
const [root, keyPair, stranger] = [generate(), generate(3600), generate()];
const PARAMS = new Map<string, string | number | boolean>([
  ["größe", '払い戻し\u2028\u0007"\\'],
  ["amount", 1e21],
  ["rate", 0.000001],
  ["tiny", -1.5e-7],
  ["count", 250],
  ["urgent", true],
  ["\ud83d\ude00", ""],
  ["\ufb33", 0],
]);
const ACTION = { name: "issue_refund", resource: "orders/ü", params: PARAMS };

function generate(expiresInSeconds?: number): KavachKeyPair {
  return KavachKeyPair.generate({ clock, ...(expiresInSeconds !== undefined && { expiresInSeconds }) });
}

const claimsOf = (change: Partial<PermitClaimsInit> = {}): PermitClaimsInit => ({
  realm: "default",
  tokenId: randomBytes(16),
  evaluationId: randomBytes(16),
  principal: { id: "agent-7", kind: "agent", roles: ["support", "refunds"] },
  sessionId: "s-1",
  action: ACTION.name,
  resource: ACTION.resource,
  paramsDigest: paramsDigest(PARAMS),
  audience: [],
  policyDigest: randomBytes(32),
  revision: { generation: 1, number: 42 },
  issuedAtMs: NOW_MS,
  notBeforeMs: NOW_MS,
  expiresAtMs: NOW_MS + 30_000,
  singleUse: false,
  mode: "enforce",
  ...change,
});

function sealAll(changes: readonly Partial<PermitClaimsInit>[], suite: Suite, by = keyPair): Promise<Uint8Array[]> {
  const signer = new PermitSigner({ keyPair: by, clock, suite });
  return Promise.all(changes.map((change) => signer.seal(claimsOf(change))));
}

const headOf = (token: Uint8Array) => contentsOf(token, PERMIT.head)[0] as Uint8Array;

let python: RunExample;
let folder: string;
beforeAll(async () => {
  python = await preparePython();
  folder = await mkdtemp(join(tmpdir(), "kavach-offline-"));
  const manifest = { bundles: [keyPair.publicKeys()], version: 7, expiresAtMs: NOW_MS + 86_400_000, nowMs: NOW_MS };
  await writeFile(join(folder, "manifest"), await buildSignedManifest(root, manifest));
  await writeFile(join(folder, "root.pub"), bundleToBytes(root.publicKeys()));
  await writeFile(join(folder, "stranger.pub"), bundleToBytes(stranger.publicKeys()));
}, 240_000);
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

interface Asked {
  readonly suite?: Suite;
  readonly audience?: string;
  readonly nowMs?: number;
}

/** One line for each permit: `valid`, or the failure's name. */
async function askPython(
  tokens: readonly Uint8Array[],
  { suite = HYBRID_SUITE, audience = "", nowMs = NOW_MS }: Asked,
) {
  const path = join(folder, "permits");
  await writeFile(path, tokens.map((token) => `${Buffer.from(token).toString("base64")}\n`).join(""));
  const params = JSON.stringify(Object.fromEntries(PARAMS));
  const about = ["--principal", "agent-7", "--action", ACTION.name, "--resource", ACTION.resource, "--params", params];
  const asked = [...about, "--suite", suite, "--audience", audience, "--now-ms", String(nowMs)];
  const trusted = ["--root", join(folder, "root.pub"), "--manifest", join(folder, "manifest")];
  const { output } = await python("verify_offline.py", path, ...trusted, ...asked);
  const lines = output.trimEnd().split("\n");
  return lines.map((line) => (line.startsWith("holds: agent-7 may issue_refund") ? "valid" : line.split(": ")[1]));
}

async function askOurs(tokens: readonly Uint8Array[], { suite = HYBRID_SUITE, audience = "", nowMs = NOW_MS }: Asked) {
  const verifier = new PermitVerifier({ directory: PublicKeyDirectory.inMemory([keyPair.publicKeys()]), suite });
  const expected = { realm: "default", principalId: "agent-7", action: ACTION, audience, nowMs };
  return await Promise.all(
    tokens.map(async (token) => {
      const verified = await verifier.verify(token, expected);
      return verified.kind === "valid" ? "valid" : verified.failure;
    }),
  );
}

/** What both say. */
async function agreed(tokens: readonly Uint8Array[], asked: Asked = {}): Promise<string[]> {
  const ours = await askOurs(tokens, asked);
  expect(await askPython(tokens, asked)).toEqual(ours);
  return ours;
}

describe.each(SUITES)("permits in suite %s", (suite) => {
  it("hold, alone and in batches of every shape", async () => {
    const sizes = [1, 2, 3, 4, 5, 7, 8, 9, 33, 512];
    const batches = await Promise.all(
      sizes.map((size) =>
        sealAll(
          Array.from({ length: size }, () => ({})),
          suite,
        ),
      ),
    );
    const tokens = batches.flatMap((batch) => batch.filter((_, i) => batch.length < 64 || i % 73 === 0));
    expect(new Set(await agreed(tokens, { suite }))).toEqual(new Set(["valid"]));
  });

  it("hold nowhere in the other suite, nor signed by another key, nor with another's path, claims or signature", async () => {
    const batch = await sealAll([{}, {}, {}], suite);
    const [mine, next, last] = batch as [Uint8Array, Uint8Array, Uint8Array];
    const [theirs] = (await sealAll([{}], suite)) as [Uint8Array];
    const [head, foreign] = [headOf(mine), headOf(theirs)];
    const [claims, index, path] = [PERMIT.claims, PERMIT.index, PERMIT.path].map((field) => contentsOf(next, field));
    const wrong = [
      withFields(mine, { [PERMIT.claims]: claims ?? [] }),
      withFields(mine, { [PERMIT.path]: path ?? [] }),
      withFields(mine, { [PERMIT.index]: index ?? [] }),
      withFields(last, { [PERMIT.path]: [...(path ?? []), ...(path ?? [])] }),
      withFields(mine, { [PERMIT.head]: foreign, [PERMIT.path]: [], [PERMIT.index]: [] }),
      ...Object.values(HEAD).flatMap((field) => {
        const content = contentsOf(foreign, field);
        return content.length === 0
          ? []
          : [withFields(mine, { [PERMIT.head]: withFields(head, { [field]: content }) })];
      }),
    ];
    expect(withFields(mine, { [PERMIT.head]: head })).toEqual(mine);
    expect(new Set(await agreed(wrong, { suite }))).toEqual(new Set(["SIGNATURE_INVALID"]));
    const foreigners = await sealAll([{}], suite, stranger);
    expect(await agreed(foreigners, { suite })).toEqual(["KEY_UNKNOWN"]);
    const elsewhere = SUITES.find((one) => one !== suite) as Suite;
    expect(new Set(await agreed(batch, { suite: elsewhere }))).toEqual(new Set(["SUITE_MISMATCH"]));
  });

  it("with bits flipped, bytes cut or added hold nowhere", { timeout: 60_000 }, async () => {
    const [token] = (await sealAll([{}, {}], suite)) as [Uint8Array];
    const flipped: Uint8Array[] = [];
    // Every bit of what is signed, and some of the signatures.
    for (let bit = 0; bit < token.length * 8; bit += bit < 500 * 8 ? 1 : 97) {
      flipped.push(token.with(bit >> 3, (token[bit >> 3] as number) ^ (1 << (bit & 7))));
    }
    const cut = Array.from({ length: 60 }, (_, i) => token.subarray(0, Math.floor((i * token.length) / 60)));
    const longer = [Uint8Array.of(...token, 0), Uint8Array.of(...token, 0x10, 0), Uint8Array.of(...token, ...token)];
    const outcomes = await agreed([...flipped, ...cut, ...longer, new Uint8Array(64 * 1024 + 1)], { suite });
    expect(outcomes).not.toContain("valid");
    expect(outcomes).toEqual(expect.arrayContaining(["MALFORMED", "SIGNATURE_INVALID", "SUITE_MISMATCH"]));
  });
});

it("permits for something else hold nowhere, each for its own reason", async () => {
  const reasons: [Partial<PermitClaimsInit>, string][] = [
    [{}, "valid"],
    [{ realm: "other" }, "REALM_MISMATCH"],
    [{ principal: { id: "agent-8", kind: "agent", roles: [] } }, "PRINCIPAL_MISMATCH"],
    [{ principal: { id: "agent-7", kind: "user", roles: [] } }, "valid"],
    [{ action: "delete_order" }, "ACTION_MISMATCH"],
    [{ resource: "" }, "RESOURCE_MISMATCH"],
    [{ paramsDigest: paramsDigest(new Map()) }, "PARAMS_MISMATCH"],
    [{ audience: ["payments", "ledger"] }, "AUDIENCE_MISMATCH"],
    [{ notBeforeMs: NOW_MS + 2000 }, "valid"],
    [{ notBeforeMs: NOW_MS + 2001 }, "NOT_YET_VALID"],
    [{ mode: "observe" }, "OBSERVE_MODE"],
    [{ singleUse: true }, "SINGLE_USE"],
    [{ sessionId: "", revision: { generation: 0, number: 0 } }, "valid"],
  ];
  const tokens = await sealAll(
    reasons.map(([change]) => change),
    HYBRID_SUITE,
  );
  expect(await agreed(tokens)).toEqual(reasons.map(([, reason]) => reason));
  const [plain, made] = [tokens[0] as Uint8Array, tokens[7] as Uint8Array];
  expect(await agreed([plain, made], { audience: "ledger" })).toEqual(["AUDIENCE_MISMATCH", "valid"]);
  expect(await agreed([plain], { nowMs: NOW_MS + 31_999 })).toEqual(["valid"]);
  expect(await agreed([plain], { nowMs: NOW_MS + 32_000 })).toEqual(["EXPIRED"]);
  expect(await agreed([plain], { nowMs: NOW_MS + 3_600_000 })).toEqual(["KEY_EXPIRED"]);
});

it("no permit holds by a manifest that the root does not vouch for now", async () => {
  const manifest = join(folder, "manifest");
  const run = async (file: string, rootFile = "root.pub", ...more: string[]) => {
    const about = ["--principal", "agent-7", "--action", "a", "--now-ms", String(NOW_MS), ...more];
    return await python(
      "verify_offline.py",
      "/dev/null",
      "--root",
      join(folder, rootFile),
      "--manifest",
      file,
      ...about,
    );
  };
  expect(await run(manifest)).toEqual({ code: 0, output: "" });
  const refused = { code: 1, output: expect.stringMatching(/^no keys: /) };
  expect(await run(manifest, "stranger.pub")).toEqual(refused);
  expect(await run(manifest, "root.pub", "--version-min", "8")).toEqual(refused);
  expect(await run(manifest, "root.pub", "--now-ms", String(NOW_MS + 86_400_000))).toEqual(refused);
  const bytes = await buildSignedManifest(root, {
    bundles: [stranger.publicKeys()],
    version: 8,
    expiresAtMs: NOW_MS + 1000,
    nowMs: NOW_MS,
  });
  await writeFile(join(folder, "changed"), bytes);
  expect(await run(join(folder, "changed"))).toEqual({ code: 0, output: "" });
  for (const changed of [
    Buffer.from(Buffer.from(bytes).toString().replace('"version":8', '"version":9')),
    Buffer.from(`${Buffer.from(bytes).toString()}\n`),
    // The bits of the last letter that no byte holds.
    Buffer.from(
      Buffer.from(bytes)
        .toString()
        .replace(/[AQgw]==/, (end) => `${{ A: "B", Q: "R", g: "h", w: "x" }[end[0] as "A"]}==`),
    ),
    root.buildSignedManifest([stranger.publicKeys()], { clock }),
    new Uint8Array(0),
  ]) {
    await writeFile(join(folder, "changed"), changed);
    expect(await run(join(folder, "changed"))).toEqual(refused);
  }
});
