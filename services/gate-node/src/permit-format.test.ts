/** A node that issues permits of format 1: who can verify them, and what is said to whoever takes them for more than they are. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { GateService, KeyService, PermitFailure, PermitService } from "@kavach/api";
import { type Channel, GateClient, grpcServiceOf, openChannel } from "@kavach/client";
import {
  bundleFromBytes,
  DirectoryTokenVerifier,
  PermitToken,
  PublicKeyDirectory,
  signedManifestSource,
} from "@kavach/crypto";
import { SYSTEM_CLOCK } from "@kavach/system";
import { type GateProcess, makeClusterFiles, REPO, startGateProcess } from "@kavach/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readConfig } from "./config.ts";

const CONFIG = join(REPO, "examples/gate-node.toml");
const action = { name: "issue_refund", params: { amount: { kind: { case: "numberValue", value: 5 } } } } as const;
const request = { context: { principal: { id: "agent-7", kind: 2 }, action } } as const;
const expected = { principalId: "agent-7", action } as const;

let folder: string;
let keyFlags: string[];
let rootBytes: Uint8Array;
let node: GateProcess;
let channel: Channel;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "kavach-format-"));
  const files = await makeClusterFiles({ policiesToml: "" });
  rootBytes = files.get("root.pub") as Uint8Array;
  for (const name of ["permit.key", "manifest", "root.pub"] as const) {
    await writeFile(join(folder, name), files.get(name) ?? "");
  }
  const at = (name: string) => join(folder, name);
  keyFlags = ["--keys", at("permit.key"), "--manifest", at("manifest"), "--root", at("root.pub")];
  node = await startGateProcess({ args: ["--config", CONFIG, "--permit-format", "v1", ...keyFlags] });
  channel = openChannel({ endpoints: [node.address], clock: SYSTEM_CLOCK });
});
afterAll(async () => {
  channel.close();
  await node[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

async function permitOf(service: Channel): Promise<Uint8Array<ArrayBuffer>> {
  const { verdict } = await grpcServiceOf(GateService, service).evaluate(request as never);
  if (verdict.case !== "permit") throw new Error(`not permitted: ${JSON.stringify(verdict.value)}`);
  return verdict.value.token as Uint8Array<ArrayBuffer>;
}

/** From the manifest that the node itself hands out, as a verifier elsewhere gets it. */
async function directoryOf(service: Channel): Promise<PublicKeyDirectory> {
  const { manifest } = await grpcServiceOf(KeyService, service).getPublicKeyDirectory({});
  const rootBundle = bundleFromBytes(rootBytes);
  const source = signedManifestSource({ read: async () => manifest, rootBundle, clock: SYSTEM_CLOCK });
  return await PublicKeyDirectory.fromSource(source);
}

function partsOf(token: Uint8Array): { readonly token: PermitToken; readonly signature: Uint8Array } {
  const fields = JSON.parse(Buffer.from(token).toString("utf8"));
  const { token_id, evaluation_id, issued_at, expires_at, action_name, signature } = fields;
  const ids = { tokenId: token_id, evaluationId: evaluation_id };
  return {
    token: new PermitToken({ ...ids, issuedAt: issued_at, expiresAt: expires_at, actionName: action_name }),
    signature: Uint8Array.from(signature),
  };
}

describe("a gate-node with --permit-format v1", () => {
  it("says so, and issues permits that a verifier of format 1 takes, by the manifest that the node hands out", async () => {
    expect(node.child.log).toContain("permits are of format 1");
    const { token, signature } = partsOf(await permitOf(channel));
    expect(token.actionName).toBe("issue_refund");
    expect(token.expiresAt - token.issuedAt).toBe(30);
    const verifier = new DirectoryTokenVerifier(await directoryOf(channel));
    await verifier.verify(token, signature);
    const other = new PermitToken({ ...token, actionName: "issue_refunds" });
    await expect(verifier.verify(other, signature)).rejects.toMatchObject({ code: "SignatureInvalid" });
  });

  it("gives clients the envelope apart, as an embedded gate does", async () => {
    const client = new GateClient({ endpoints: node.address });
    const context = {
      principalId: "agent-7",
      principalKind: "agent",
      actionName: "issue_refund",
      params: { amount: 5 },
    };
    const { permitToken, signature } = await client.check(context as never);
    client.close();
    const verifier = new DirectoryTokenVerifier(await directoryOf(channel));
    await verifier.verify(new PermitToken(permitToken), signature as Uint8Array);
  });

  it("neither verifies nor redeems them itself: they do not say for whom and for what they are", async () => {
    const permits = grpcServiceOf(PermitService, channel);
    const asked = { token: await permitOf(channel), expected };
    const refused = { case: "failure", value: PermitFailure.FORMAT_UNSUPPORTED };
    expect((await permits.verifyPermit(asked as never)).result).toEqual(refused);
    expect((await permits.redeemPermit(asked as never)).result).toEqual(refused);
    for (const text of ["{}", "{", '{"token_id":1}']) {
      const { result } = await permits.verifyPermit({ token: Buffer.from(text), expected } as never);
      expect(result).toEqual({ case: "failure", value: PermitFailure.MALFORMED });
    }
  });

  it("refuses what the format cannot say: a single use, an audience", async () => {
    const gate = grpcServiceOf(GateService, channel);
    for (const [more, why] of [
      [{ singleUse: true }, "no permits for one use"],
      [{ audience: ["payments"] }, "no audience"],
    ] as const) {
      const { verdict } = await gate.evaluate({ ...request, ...more } as never);
      expect(verdict).toMatchObject({ case: "refuse", value: { reason: expect.stringContaining(why) } });
    }
  });

  it("still verifies and redeems permits of format 2, which other nodes issue under the same key", async () => {
    await using other = await startGateProcess({ args: ["--config", CONFIG, ...keyFlags] });
    const theirs = openChannel({ endpoints: [other.address], clock: SYSTEM_CLOCK });
    const token = await permitOf(theirs);
    const permits = grpcServiceOf(PermitService, channel);
    expect((await permits.verifyPermit({ token, expected } as never)).result.case).toBe("claims");
    expect((await permits.redeemPermit({ token, expected } as never)).result.case).toBe("claims");
    // And the other way round, the same words.
    const mine = { token: await permitOf(channel), expected };
    const answer = await grpcServiceOf(PermitService, theirs).redeemPermit(mine as never);
    expect(answer.result.value).toBe(PermitFailure.FORMAT_UNSUPPORTED);
    theirs.close();
  });

  it("does not start with a format that there is not, nor with single use for all", () => {
    const read =
      (...args: string[]) =>
      () =>
        readConfig(["node", "gate-node", "--config", CONFIG, ...args]);
    expect(read("--permit-format", "v3")).toThrow("permit_format: ");
    expect(read("--permit-format", "v1", "--single-use", "always")).toThrow(
      "single_use: 'always' needs permit_format v2",
    );
    expect(read()().permit_format).toBe("v2");
  });
});
