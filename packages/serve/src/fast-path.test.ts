/** The fast path answers what the Connect path answers: the same cases on both, side by side. */
import { Code, ConnectError, decodeBinaryHeader, type Interceptor } from "@connectrpc/connect";
import { googleRpc } from "@kavach/api";
import { InputError, UnavailableError } from "@kavach/model";
import { describe, expect, test } from "vitest";
import { peerOf } from "./connection.ts";
import { type Answer, type Evaluate, frame, grpc, h2, request, response, testServer } from "./server.test-kit.ts";

interface Case {
  readonly name: string;
  readonly evaluate?: Evaluate;
  readonly body?: Buffer;
  readonly headers?: Record<string, string>;
  readonly open?: boolean;
  readonly status: Code | 0;
}

const never: Evaluate = () => new Promise(() => {});
const ok: Evaluate = ({ evaluationId }) => ({ evaluationId });
const failing =
  (error: unknown): Evaluate =>
  () => {
    throw error;
  };
const violation = { field: "context.principal.id", reason: "must not be empty" };

const CASES: readonly Case[] = [
  { name: "an answer", status: 0 },
  { name: "an identity encoding", headers: { "grpc-encoding": "identity" }, status: 0 },
  { name: "the longer content type", headers: { "content-type": "application/grpc+proto" }, status: 0 },
  { name: "an empty message", body: frame(new Uint8Array()), status: 0 },
  { name: "no message", body: Buffer.alloc(0), status: Code.Unimplemented },
  { name: "two messages", body: Buffer.concat([request(), request()]), status: Code.Unimplemented },
  { name: "half a prefix", body: request().subarray(0, 3), status: Code.InvalidArgument },
  { name: "half a message", body: request().subarray(0, 8), status: Code.InvalidArgument },
  { name: "bytes that are no message", body: frame(Buffer.from([0xff, 0xff, 0xff])), status: Code.Internal },
  { name: "a compressed message without encoding", body: frame(new Uint8Array(4), 1), status: Code.Internal },
  { name: "an unknown encoding", headers: { "grpc-encoding": "zz" }, status: Code.Unimplemented },
  { name: "a message over the limit", body: frame(Buffer.alloc(70_000)), status: Code.ResourceExhausted },
  {
    name: "a prefix over the limit",
    body: Buffer.from([0, 255, 255, 255, 255]),
    open: true,
    status: Code.ResourceExhausted,
  },
  { name: "a malformed deadline", headers: { "grpc-timeout": "2 s" }, status: Code.InvalidArgument },
  { name: "a deadline with nine digits", headers: { "grpc-timeout": "123456789n" }, status: Code.InvalidArgument },
  {
    name: "a deadline that has passed",
    headers: { "grpc-timeout": "0n" },
    evaluate: never,
    status: Code.DeadlineExceeded,
  },
  { name: "a caller's deadline", headers: { "grpc-timeout": "20m" }, evaluate: never, status: Code.DeadlineExceeded },
  { name: "the server's deadline", evaluate: never, status: Code.DeadlineExceeded },
  {
    name: "the server's deadline over a longer one",
    headers: { "grpc-timeout": "1H" },
    evaluate: never,
    status: Code.DeadlineExceeded,
  },
  { name: "an input error", evaluate: failing(new InputError([violation])), status: Code.InvalidArgument },
  {
    name: "a store that is away",
    evaluate: failing(new UnavailableError("STORE_UNAVAILABLE", "10.0.0.7 refused")),
    status: Code.Unavailable,
  },
  {
    name: "a store that is late",
    evaluate: failing(new UnavailableError("DEADLINE_EXCEEDED", "50 ms")),
    status: Code.DeadlineExceeded,
  },
  {
    name: "an error of its own",
    evaluate: failing(new ConnectError("größe %", Code.PermissionDenied, { "x-why": "a" })),
    status: Code.PermissionDenied,
  },
  { name: "a broken invariant", evaluate: failing(new Error("at /secret/path.ts:1")), status: Code.Internal },
  { name: "a thrown text", evaluate: failing("secret"), status: Code.Internal },
];

function shown({ headers, trailers, body }: Answer) {
  const { "grpc-status": status, "grpc-message": message, "grpc-status-details-bin": details } = trailers;
  return {
    http: headers[":status"],
    type: headers["content-type"],
    status,
    message,
    details,
    why: trailers["x-why"],
    body,
  };
}

async function answerOn(fastPath: boolean, { evaluate = ok, body = request(), headers = {}, open = false }: Case) {
  const server = await testServer({ evaluate }, { deadlineMs: 60 }, { fastPath });
  return { answer: await grpc(h2(server), body, headers, !open), server };
}

describe("both paths answer the same", () => {
  test.for(CASES)("$name", async (one) => {
    const [fast, connect] = [await answerOn(true, one), await answerOn(false, one)];
    expect(fast.answer.trailers["grpc-status"]).toBe(String(one.status));
    expect(shown(fast.answer)).toEqual(shown(connect.answer));
    expect(JSON.stringify(fast.answer.trailers)).not.toContain("secret");
    expect(fast.server.internal.length).toBe(connect.server.internal.length);
  });
});

test("an answer that cannot be written is an internal error, and the server lives on", async () => {
  const unwritable = { name: "", evaluate: () => ({ propagation: "x" }) as never, status: Code.Internal };
  const { answer, server } = await answerOn(true, unwritable);
  expect(answer.trailers).toMatchObject({ "grpc-status": "13", "grpc-message": "internal%20error" });
  expect(server.internal).toHaveLength(1);
  expect((await grpc(h2(server), Buffer.alloc(0))).trailers["grpc-status"]).toBe("12");
});

test("violations travel as google.rpc.BadRequest inside google.rpc.Status", async () => {
  const { answer } = await answerOn(true, { name: "", evaluate: failing(new InputError([violation])), status: 3 });
  const bytes = decodeBinaryHeader(String(answer.trailers["grpc-status-details-bin"]));
  expect(Buffer.from(bytes).includes(googleRpc.BadRequestSchema.typeName)).toBe(true);
  expect(Buffer.from(bytes).includes(violation.field)).toBe(true);
});

test.for([true, false])(
  "headers, trailers, binary metadata and the peer reach both ends (fast path %s)",
  async (fastPath) => {
    const evaluate: Evaluate = (_request, context) => {
      context.responseHeader.set("x-echo-bin", context.requestHeader.get("x-in-bin") ?? "none");
      context.responseTrailer.set("x-peer", peerOf(context).address);
      return { evaluationId: String((context.timeoutMs() ?? 0) > 1000), policyName: context.protocolName };
    };
    const server = await testServer({ evaluate }, {}, { fastPath });
    const answer = await grpc(h2(server), request(), { "x-in-bin": "AAEC" });
    expect(answer.headers["x-echo-bin"]).toBe("AAEC");
    expect(answer.trailers["x-peer"]).toBe("127.0.0.1");
    expect(response(answer)).toMatchObject({ evaluationId: "true", policyName: "grpc" });
  },
);

test.for([true, false])("interceptors guard every call and can change it (fast path %s)", async (fastPath) => {
  const guard: Interceptor = (next) => async (call) => {
    if (call.header.get("authorization") !== "Bearer x") throw new ConnectError("who are you", Code.Unauthenticated);
    call.header.set("x-caller", "alice");
    const result = await next(call);
    result.trailer.set("x-seen", "yes");
    return result;
  };
  const evaluate: Evaluate = (_request, { requestHeader }) => ({ policyName: requestHeader.get("x-caller") ?? "" });
  const server = await testServer({ evaluate }, {}, { fastPath, interceptors: [guard] });
  const refused = await grpc(h2(server), request());
  expect(refused.trailers["grpc-status"]).toBe("16");
  const answer = await grpc(h2(server), request(), { authorization: "Bearer x" });
  expect(response(answer).policyName).toBe("alice");
  expect(answer.trailers["x-seen"]).toBe("yes");
});

test.for([true, false])("a caller that resets its call fires the signal (fast path %s)", async (fastPath) => {
  const begun = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<unknown>();
  const evaluate: Evaluate = (_request, { signal }) => {
    signal.addEventListener("abort", () => ended.resolve(signal.reason));
    begun.resolve();
    return new Promise(() => {});
  };
  const server = await testServer({ evaluate }, {}, { fastPath });
  const stream = h2(server).request({
    ":method": "POST",
    ":path": "/kavach.v1.GateService/Evaluate",
    "content-type": "application/grpc",
  });
  stream.on("error", () => {});
  stream.end(request());
  await begun.promise;
  stream.close(8);
  expect(ConnectError.from(await ended.promise).code).toBe(Code.Canceled);
});
