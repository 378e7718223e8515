/** Every service of a running gate-node, as a gRPC caller meets it. */
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "node:tls";
import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  type EvaluateRequestSchema,
  type EvaluateResponse,
  GateService,
  InvalidationService,
  KeyService,
  PermitFailure,
  PermitService,
  PrincipalKind,
  RefuseCode,
  SessionService,
} from "@kavach/api";
import { type Channel, GateClient, grpcServiceOf, openChannel } from "@kavach/client";
import { SYSTEM_CLOCK } from "@kavach/system";
import { awaitCondition, type GateProcess, REPO, startGateProcess } from "@kavach/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const CONFIG = join(REPO, "examples/gate-node.toml");

async function open(
  ...flags: string[]
): Promise<{ node: GateProcess; channel: Channel; [Symbol.asyncDispose](): Promise<void> }> {
  const node = await startGateProcess({ args: ["--config", CONFIG, ...flags] });
  const channel = openChannel({ endpoints: [node.address], clock: SYSTEM_CLOCK });
  return {
    node,
    channel,
    [Symbol.asyncDispose]: async () => {
      channel.close();
      await node[Symbol.asyncDispose]();
    },
  };
}

type Request = MessageInitShape<typeof EvaluateRequestSchema>;

const action = (amount = 500) =>
  ({ name: "issue_refund", params: { amount: { kind: { case: "numberValue", value: amount } } } }) as const;
const principal = (id = "agent-bot", roles: string[] = []) => ({ id, kind: PrincipalKind.AGENT, roles });

function request(id: string, sessionId?: string, more: Partial<Request> = {}): Request {
  const session = sessionId === undefined ? {} : { session: { sessionId } };
  return { context: { principal: principal(id), action: action(), ...session }, ...more } as Request;
}

function tokenOf({ verdict }: EvaluateResponse): Uint8Array<ArrayBuffer> {
  if (verdict.case !== "permit") throw new Error(`not permitted: ${JSON.stringify(verdict)}`);
  return verdict.value.token as Uint8Array<ArrayBuffer>;
}

describe("one node", () => {
  let world: Awaited<ReturnType<typeof open>>;
  beforeAll(async () => {
    world = await open();
  });
  afterAll(() => world[Symbol.asyncDispose]());

  it("verifies and redeems permits, for what they were issued for", async () => {
    const gate = grpcServiceOf(GateService, world.channel);
    const permits = grpcServiceOf(PermitService, world.channel);
    const expected = { principalId: "agent-bot", action: action() };
    const token = tokenOf(
      await gate.evaluate(request("agent-bot", undefined, { singleUse: true, audience: ["payments"] })),
    );
    const asked = { token, expected: { ...expected, audience: "payments" } };
    expect((await permits.verifyPermit(asked)).result).toEqual({ case: "failure", value: PermitFailure.SINGLE_USE });
    expect((await permits.redeemPermit({ token, expected })).result.value).toBe(PermitFailure.AUDIENCE_MISMATCH);
    expect((await permits.redeemPermit(asked)).result).toMatchObject({
      case: "claims",
      value: { singleUse: true, audience: ["payments"] },
    });
    expect((await permits.redeemPermit(asked)).result.value).toBe(PermitFailure.ALREADY_REDEEMED);
    expect((await permits.verifyPermit({ token: new Uint8Array([1, 2, 3]), expected })).result.value).toBe(
      PermitFailure.MALFORMED,
    );
    await expect(permits.verifyPermit({ token, expected: { principalId: "" } })).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
    });
  });

  it("hands out the manifest, and nothing to who has it", async () => {
    const keys = grpcServiceOf(KeyService, world.channel);
    const { manifest, version } = await keys.getPublicKeyDirectory({});
    expect(JSON.parse(Buffer.from(manifest).toString())).toMatchObject({ version: Number(version) });
    expect(await keys.getPublicKeyDirectory({ knownVersion: version })).toMatchObject({
      version,
      manifest: new Uint8Array(0),
    });
  });

  it("honours what it was told to revoke: a session, a principal, a role, once under one key", async () => {
    const gate = grpcServiceOf(GateService, world.channel);
    const { invalidate, getHead } = grpcServiceOf(InvalidationService, world.channel);
    const revoked = { code: RefuseCode.SESSION_INVALID, evaluator: "gate", reason: "session has been invalidated" };
    const session = { case: "session", value: { principalId: "s-bot", sessionId: "s-1" } } as const;
    const first = await invalidate({ scope: { target: session }, idempotencyKey: "k" });
    expect((await invalidate({ scope: { target: session }, idempotencyKey: "k" })).revision).toEqual(first.revision);
    expect((await gate.evaluate(request("s-bot", "s-1"))).verdict.value).toMatchObject(revoked);
    expect((await gate.evaluate(request("s-bot", "s-2"))).verdict.case).toBe("permit");
    const before = tokenOf(await gate.evaluate(request("p-bot")));
    await invalidate({ scope: { target: { case: "principalId", value: "p-bot" } } });
    expect((await gate.evaluate(request("p-bot"))).verdict.value).toMatchObject(revoked);
    const permits = grpcServiceOf(PermitService, world.channel);
    const verified = await permits.verifyPermit({
      token: before,
      expected: { principalId: "p-bot", action: action() },
    });
    expect(verified.result.value).toBe(PermitFailure.REVOKED);
    await invalidate({ scope: { target: { case: "role", value: "leavers" } } });
    const leaver = { context: { principal: principal("r-bot", ["leavers"]), action: action() } } as Request;
    expect((await gate.evaluate(leaver)).verdict.value).toMatchObject(revoked);
    expect((await gate.evaluate(request("r-bot"))).verdict.case).toBe("permit");
    await expect(invalidate({ scope: {} })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    await expect(getHead({})).rejects.toMatchObject({ code: "UNIMPLEMENTED" });
  });

  it("decides at a revision it is asked for, or says that it cannot", async () => {
    const gate = grpcServiceOf(GateService, world.channel);
    const { revision } = await gate.evaluate(request("agent-bot"));
    if (revision === undefined) throw new Error("no revision");
    expect((await gate.evaluate(request("agent-bot", undefined, { atLeast: revision }))).verdict.case).toBe("permit");
    const beyond = { ...revision, number: revision.number + 1n };
    await expect(gate.evaluate(request("agent-bot", undefined, { atLeast: beyond }))).rejects.toMatchObject({
      code: "FAILED_PRECONDITION",
    });
  });
});

it("keeps sessions itself where they are required, and believes no other", async () => {
  await using world = await open("--session-mode", "required");
  const gate = grpcServiceOf(GateService, world.channel);
  const sessions = grpcServiceOf(SessionService, world.channel);
  const reasonOf = async (asked: Request) => (await gate.evaluate(asked)).verdict.value as { reason?: string };
  const { session: opened } = await sessions.openSession({ principal: principal(), environment: { ip: "10.0.0.1" } });
  const sessionId = opened?.session?.sessionId ?? "";
  expect((await gate.evaluate(request("agent-bot", sessionId))).verdict.case).toBe("permit");
  expect(await reasonOf(request("agent-bot"))).toMatchObject({ reason: "session is unknown" });
  expect(await reasonOf(request("agent-bot", "made-up"))).toMatchObject({ reason: "session is unknown" });
  expect(await reasonOf(request("other-bot", sessionId))).toMatchObject({
    reason: "session belongs to another principal",
  });
  const asked = { principalId: "agent-bot", sessionId };
  expect((await sessions.getSession(asked)).session).toMatchObject({
    principalId: "agent-bot",
    session: { actionCount: 1, originIp: "10.0.0.1" },
  });
  expect((await sessions.listSessions({ principalId: "agent-bot" })).sessions).toHaveLength(1);
  // The record's origin counts, not what the caller says about it.
  const moved = {
    ...request("agent-bot", sessionId),
    context: {
      principal: principal(),
      action: action(),
      session: { sessionId, originIp: "10.9.9.9" },
      environment: { ip: "10.9.9.9" },
    },
  } as Request;
  expect((await gate.evaluate(moved)).verdict).toMatchObject({
    case: "invalidate",
    value: { scope: { evaluator: "drift" } },
  });
  expect(await reasonOf(request("agent-bot", sessionId))).toMatchObject({ reason: "session has been invalidated" });
  const { session: second } = await sessions.openSession({ principal: principal() });
  const secondId = second?.session?.sessionId ?? "";
  await sessions.closeSession({ principalId: "agent-bot", sessionId: secondId });
  expect((await gate.evaluate(request("agent-bot", secondId))).verdict.value).toMatchObject({
    code: RefuseCode.SESSION_INVALID,
  });
  await expect(sessions.getSession({ principalId: "agent-bot", sessionId: secondId })).rejects.toMatchObject({
    code: "NOT_FOUND",
  });
});

it("serves TLS to who trusts it, gRPC and JSON on one port", async () => {
  const folder = mkdtempSync(join(tmpdir(), "kavach-gate-tls-"));
  const [cert, key] = [join(folder, "cert.pem"), join(folder, "key.pem")];
  selfSign(cert, key);
  await using world = await open("--tls-cert", cert, "--tls-key", key);
  const refund = {
    principalId: "agent-bot",
    principalKind: "agent",
    actionName: "issue_refund",
    params: { amount: 1 },
  } as const;
  const trusting = new GateClient({
    endpoints: world.node.address,
    tls: { ca: readFileSync(cert, "utf8"), serverName: "localhost" },
    deadlineMs: 5000,
  });
  expect((await trusting.evaluate(refund)).kind).toBe("permit");
  trusting.close();
  const clear = new GateClient({ endpoints: world.node.address, deadlineMs: 1000 });
  await expect(clear.evaluate(refund)).rejects.toMatchObject({ name: "GateUnavailable" });
  clear.close();
  const body =
    '{"context":{"principal":{"id":"a","kind":"PRINCIPAL_KIND_AGENT"},"action":{"name":"issue_refund","params":{"amount":1}}}}';
  const curl = ["-s", "--http1.1", "--cacert", cert, "-H", "content-type: application/json", "-d", body];
  const answer = execFileSync("curl", [...curl, `https://${world.node.address}/kavach.v1.GateService/Evaluate`], {
    encoding: "utf8",
  });
  expect(JSON.parse(answer)).toHaveProperty("permit.token");
  // A certificate is exchanged before it lapses, and a node is not started anew for that.
  const before = await certificateOf(world.node.address, cert);
  writeFileSync(cert, "no certificate");
  await awaitCondition(() => world.node.child.log.includes("certificates not taken"), {
    what: "word of a broken file",
  });
  expect(await certificateOf(world.node.address, undefined)).toBe(before);
  selfSign(cert, key);
  await awaitCondition(() => world.node.child.log.includes("certificates changed"), { what: "word of the new ones" });
  expect(await certificateOf(world.node.address, cert)).not.toBe(before);
}, 40_000);

function selfSign(cert: string, key: string): void {
  const names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"];
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  execFileSync("openssl", ["req", "-x509", ...curve, "-days", "2", ...names, "-keyout", key, "-out", cert], {
    stdio: "pipe",
  });
}

/** Fingerprint of what the server shows; `ca` undefined: whoever signed it. */
async function certificateOf(address: string, ca: string | undefined): Promise<string> {
  const [host, port] = address.split(":") as [string, string];
  const trust = ca === undefined ? { rejectUnauthorized: false } : { ca: readFileSync(ca) };
  const socket = connect({ host, port: Number(port), servername: "localhost", ...trust });
  await once(socket, "secureConnect");
  const { fingerprint256 } = socket.getPeerCertificate();
  socket.destroy();
  return fingerprint256;
}
