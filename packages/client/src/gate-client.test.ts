import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { type Any, AnySchema, anyPack } from "@bufbuild/protobuf/wkt";
import { Metadata, type ServerUnaryCall, type sendUnaryData, status } from "@grpc/grpc-js";
import {
  type EvaluateRequest,
  EvaluateResponseSchema,
  GateService,
  googleRpc,
  Propagation,
  RefusalSchema,
  RefuseCode,
  RevisionSchema,
  VerdictSchema,
} from "@kavach/api";
import { type ContextInput, InputError, Invalidated, Refused } from "@kavach/model";
import { afterEach, describe, expect, test, vi } from "vitest";
import { GateUnavailable } from "./errors.ts";
import { GateClient, type GateClientOptions } from "./gate-client.ts";
import { type ScriptedService, serveScripted } from "./scripted-service.test-kit.ts";

type Answer = MessageInitShape<typeof EvaluateResponseSchema> | { readonly fails: status; readonly details?: Buffer };
type Script = (request: EvaluateRequest, nth: number) => Answer | undefined;

const REFUND: ContextInput = {
  principalId: "bot",
  principalKind: "agent",
  actionName: "issue_refund",
  params: { amount: 5 },
};
const AT = { seconds: 1_800_000_000n, nanos: 0 };
const TOKEN = Uint8Array.of(1, 2, 3);

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const clean of cleanups.splice(0)) clean();
});

interface Gate extends ScriptedService {
  readonly requests: EvaluateRequest[];
}

/** An undefined answer is none at all. */
async function gate(script: Script, port?: number): Promise<Gate> {
  const requests: EvaluateRequest[] = [];
  const service = await serveScripted(
    GateService,
    {
      evaluate(call: ServerUnaryCall<EvaluateRequest, unknown>, callback: sendUnaryData<unknown>) {
        requests.push(call.request);
        const answer = script(call.request, requests.length);
        if (answer === undefined) return;
        if (!("fails" in answer)) return callback(null, create(EvaluateResponseSchema, answer));
        const metadata = new Metadata();
        if (answer.details !== undefined) metadata.set("grpc-status-details-bin", answer.details);
        callback({ code: answer.fails, details: "told so", metadata });
      },
    },
    port,
  );
  cleanups.push(() => service.close());
  return { ...service, requests };
}

function clientOf(options: GateClientOptions): GateClient {
  const client = new GateClient(options);
  cleanups.push(() => client.close());
  return client;
}

const permit: Script = ({ evaluationId }) => ({
  evaluationId,
  policyName: "p",
  policyDigest: "ab",
  revision: { generation: 3n, number: 7n },
  verdict: {
    case: "permit",
    value: { token: TOKEN, tokenId: "t", issuedAt: AT, expiresAt: { ...AT, seconds: AT.seconds + 30n } },
  },
});

async function failureOf(run: Promise<unknown>): Promise<unknown> {
  return run.then(
    (value) => expect.unreachable(`resolved with ${JSON.stringify(value)}`),
    (error: unknown) => error,
  );
}

describe("verdicts", () => {
  test("a permit, with everything that the request said", async () => {
    const { endpoint, requests } = await gate(permit);
    const client = clientOf({ endpoints: endpoint, realm: "acme" });
    const verdict = await client.check(REFUND, {
      audience: ["payments"],
      singleUse: true,
      atLeast: { generation: 1, number: 2 },
    });
    const [request] = requests;
    expect(verdict).toMatchObject({
      kind: "permit",
      permit: Buffer.from(TOKEN),
      tokenId: "t",
      issuedAtMs: 1_800_000_000_000,
      expiresAtMs: 1_800_000_030_000,
      evaluationId: request?.evaluationId,
      policyName: "p",
      policyDigest: "ab",
      revision: { generation: 3, number: 7 },
    });
    expect(request).toMatchObject({
      realm: "acme",
      audience: ["payments"],
      singleUse: true,
      atLeast: { generation: 1n, number: 2n },
    });
    expect(request?.context?.principal?.id).toBe("bot");
    await client.evaluate(REFUND);
    expect(requests[1]?.evaluationId).not.toBe(request?.evaluationId);
  });

  test("a refusal, with its waiting time", async () => {
    const refuse = { code: RefuseCode.RATE_LIMIT_EXCEEDED, evaluator: "policy", reason: "too many" };
    const { endpoint } = await gate(() => ({
      verdict: { case: "refuse", value: create(RefusalSchema, refuse) },
      retryAfter: { seconds: 1n, nanos: 500_000_000 },
    }));
    const client = clientOf({ endpoints: endpoint });
    expect(await client.evaluate(REFUND)).toMatchObject({
      kind: "refuse",
      code: "RATE_LIMIT_EXCEEDED",
      retryAfterMs: 1500,
    });
    const refused = await failureOf(client.check(REFUND));
    expect(refused).toBeInstanceOf(Refused);
    expect(refused).toMatchObject({ code: "RATE_LIMIT_EXCEEDED", evaluator: "policy", reason: "too many" });
  });

  test("an invalidation, with its scope and how far it has got", async () => {
    const scope = {
      target: { case: "session", value: { principalId: "bot", sessionId: "s" } },
      reason: "moved",
      evaluator: "drift",
    } as const;
    const { endpoint } = await gate(() => ({
      verdict: { case: "invalidate", value: { scope } },
      propagation: Propagation.LOCAL_ONLY,
    }));
    const client = clientOf({ endpoints: endpoint });
    const invalidated = await failureOf(client.check(REFUND));
    expect(invalidated).toBeInstanceOf(Invalidated);
    expect((invalidated as Invalidated).verdict).toMatchObject({
      kind: "invalidate",
      scope: { target: { kind: "session", principalId: "bot", id: "s" }, reason: "moved", evaluator: "drift" },
      propagation: "LOCAL_ONLY",
    });
  });

  test("what a gate would have said, when it only observes", async () => {
    const denied = { code: RefuseCode.POLICY_DENIED, evaluator: "policy", reason: "no" };
    const { endpoint } = await gate((request, nth) => ({
      ...permit(request, nth),
      observed: create(VerdictSchema, { verdict: { case: "refuse", value: denied } }),
    }));
    const verdict = await clientOf({ endpoints: endpoint }).check(REFUND);
    expect(verdict.observed).toEqual({ kind: "refuse", code: "POLICY_DENIED", evaluator: "policy", reason: "no" });
  });

  test.each<[string, Answer, string]>([
    ["no verdict at all", {}, "POLICY_DENIED"],
    [
      "a refusal of an unknown code",
      { verdict: { case: "refuse", value: { code: 99 as RefuseCode, reason: "new" } } },
      "POLICY_DENIED",
    ],
    ["a refusal without a code", { verdict: { case: "refuse", value: {} } }, "POLICY_DENIED"],
  ])("%s reads as refuse", async (_, answer, code) => {
    const { endpoint } = await gate(() => answer);
    const client = clientOf({ endpoints: endpoint });
    expect(await client.evaluate(REFUND)).toMatchObject({ kind: "refuse", code });
    expect(await failureOf(client.check(REFUND))).toBeInstanceOf(Refused);
  });

  test.each<[string, Script]>([
    [
      "a permit of another evaluation",
      (request, nth) => ({ ...permit(request, nth), evaluationId: "00000000-0000-4000-8000-000000000000" }),
    ],
    [
      "a permit without its times",
      ({ evaluationId }) => ({ evaluationId, verdict: { case: "permit", value: { token: TOKEN, tokenId: "t" } } }),
    ],
    ["an invalidation without a scope", () => ({ verdict: { case: "invalidate", value: {} } })],
    [
      "a revision beyond 2^53",
      (request, nth) => ({
        ...permit(request, nth),
        revision: create(RevisionSchema, { generation: 2n ** 60n, number: 1n }),
      }),
    ],
  ])("%s is no verdict", async (_, script) => {
    const { endpoint } = await gate(script);
    const error = await failureOf(clientOf({ endpoints: endpoint }).evaluate(REFUND));
    expect(error).toBeInstanceOf(GateUnavailable);
    expect(error).toMatchObject({ code: "INVALID_RESPONSE" });
  });
});

describe("failures", () => {
  test.each([
    "UNAUTHENTICATED",
    "PERMISSION_DENIED",
    "FAILED_PRECONDITION",
    "RESOURCE_EXHAUSTED",
    "INTERNAL",
    "UNIMPLEMENTED",
  ] as const)("%s means not permitted, and is not tried again", async (code) => {
    const { endpoint, requests } = await gate(() => ({ fails: status[code] }));
    const error = await failureOf(clientOf({ endpoints: endpoint }).check(REFUND));
    expect(error).toBeInstanceOf(GateUnavailable);
    expect(error).toMatchObject({ code, message: "told so" });
    expect(requests).toHaveLength(1);
  });

  test("INVALID_ARGUMENT is an input error with the gate's violations", async () => {
    const fieldViolations = [{ field: "context.principal.id", description: "too long" }];
    const badRequest = create(googleRpc.BadRequestSchema, { fieldViolations });
    const details = statusBytes(anyPack(googleRpc.BadRequestSchema, badRequest));
    const { endpoint } = await gate((_, nth) => ({ fails: status.INVALID_ARGUMENT, ...(nth === 1 && { details }) }));
    const client = clientOf({ endpoints: endpoint });
    const error = await failureOf(client.evaluate(REFUND));
    expect(error).toBeInstanceOf(InputError);
    expect((error as InputError).violations).toEqual([{ field: "context.principal.id", reason: "too long" }]);
    const bare = await failureOf(client.evaluate(REFUND));
    expect((bare as InputError).violations).toEqual([{ field: "", reason: "told so" }]);
  });

  test("UNAVAILABLE is tried once more with the same evaluation id, and no more than once", async () => {
    const once = await gate((request, nth) => (nth === 1 ? { fails: status.UNAVAILABLE } : permit(request, nth)));
    expect(await clientOf({ endpoints: once.endpoint }).check(REFUND)).toMatchObject({ kind: "permit" });
    expect(once.requests).toHaveLength(2);
    expect(once.requests[1]).toEqual(once.requests[0]);
    const always = await gate(() => ({ fails: status.UNAVAILABLE }));
    const error = await failureOf(clientOf({ endpoints: always.endpoint }).evaluate(REFUND));
    expect(error).toMatchObject({ name: "GateUnavailable", code: "UNAVAILABLE" });
    expect(always.requests).toHaveLength(2);
  });

  test("a gate that does not answer, and no gate at all, end within the deadline", async () => {
    const silent = await gate(() => undefined);
    const slow = await failureOf(clientOf({ endpoints: silent.endpoint, deadlineMs: 60 }).evaluate(REFUND));
    expect(slow).toMatchObject({ name: "GateUnavailable", code: "DEADLINE_EXCEEDED" });
    silent.close();
    const beganAt = performance.now();
    const gone = await failureOf(clientOf({ endpoints: silent.endpoint, deadlineMs: 500 }).evaluate(REFUND));
    expect(gone).toMatchObject({ name: "GateUnavailable", code: "UNAVAILABLE" });
    expect(performance.now() - beganAt).toBeLessThan(1500);
  });

  test("a gate that comes back is found again", async () => {
    const first = await gate(permit);
    const client = clientOf({ endpoints: first.endpoint });
    await client.check(REFUND);
    first.close();
    expect(await failureOf(client.evaluate(REFUND))).toBeInstanceOf(GateUnavailable);
    await gate(permit, first.port);
    await vi.waitFor(() => client.check(REFUND), { timeout: 10_000, interval: 20 });
  });

  test("an aborted call and a closed client", async () => {
    const { endpoint, requests } = await gate(() => undefined);
    const client = clientOf({ endpoints: endpoint, deadlineMs: 30_000 });
    const abort = new AbortController();
    const running = failureOf(client.evaluate(REFUND, { signal: abort.signal }));
    await vi.waitFor(() => expect(requests).toHaveLength(1));
    abort.abort();
    expect(await running).toMatchObject({ name: "GateUnavailable", code: "CANCELLED" });
    expect(await failureOf(client.evaluate(REFUND, { signal: abort.signal }))).toMatchObject({ code: "CANCELLED" });
    client.close();
    expect(await failureOf(client.evaluate(REFUND))).toMatchObject({ name: "GateUnavailable", code: "CLOSED" });
  });

  test("bad input never reaches a gate", async () => {
    const { endpoint, requests } = await gate(permit);
    const client = clientOf({ endpoints: endpoint });
    const inputs: Promise<unknown>[] = [
      client.evaluate({ ...REFUND, principalId: "" }),
      client.evaluate({ ...REFUND, role: ["x"] } as ContextInput),
      client.evaluate(REFUND, { evaluationId: "1" }),
      client.evaluate(REFUND, { deadlineMs: 0 }),
      client.evaluate(REFUND, { deadlineMS: 5 } as object),
    ];
    for (const input of inputs) expect(await failureOf(input)).toBeInstanceOf(InputError);
    expect(requests).toHaveLength(0);
    for (const endpoints of ["", "host", "host:0", "host:65536", [], ["a:1", "b"], ["a:1", "b:2/x"]]) {
      expect(() => new GateClient({ endpoints })).toThrow(InputError);
    }
    expect(() => new GateClient({ endpoints: "a:1", tsl: {} } as GateClientOptions)).toThrow(
      "tsl: is not a known option",
    );
    expect(() => new GateClient({ endpoints: "a:1", tls: { cert: "x" } })).toThrow("cert and key come together");
  });
});

describe("balance", () => {
  test("calls go round a list of servers, addresses and names alike; one that dies is left out", async () => {
    const gates = await Promise.all([gate(permit), gate(permit), gate(permit)]);
    const endpoints = gates.map(({ port }, i) => `${i === 1 ? "localhost" : "127.0.0.1"}:${port}`);
    const client = clientOf({ endpoints });
    await vi.waitFor(async () => {
      await client.check(REFUND);
      for (const { requests } of gates) expect(requests.length).toBeGreaterThan(0);
    });
    for (const { requests } of gates) requests.length = 0;
    await Promise.all(Array.from({ length: 30 }, () => client.check(REFUND)));
    expect(gates.map(({ requests }) => requests.length)).toEqual([10, 10, 10]);
    gates[2]?.close();
    const verdicts = await Promise.all(Array.from({ length: 30 }, () => client.check(REFUND)));
    expect(verdicts).toHaveLength(30);
  });
});

/** google.rpc.Status with the code INVALID_ARGUMENT and one detail, as it stands on the wire. */
function statusBytes(detail: Any): Buffer {
  const writer = new BinaryWriter().tag(1, WireType.Varint).int32(status.INVALID_ARGUMENT);
  return Buffer.from(writer.tag(3, WireType.LengthDelimited).bytes(toBinary(AnySchema, detail)).finish());
}
