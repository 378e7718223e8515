/** A running server and bare clients for the tests of this package. */
import { type ClientHttp2Session, connect, type IncomingHttpHeaders } from "node:http2";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import { EvaluateRequestSchema, type EvaluateResponse, EvaluateResponseSchema, GateService } from "@kavach/api";
import { onTestFinished } from "vitest";
import { HealthState } from "./health.ts";
import type { ServeLimits } from "./limits.ts";
import { serviceOf } from "./served-service.ts";
import { type RunningServer, type ServerOptions, startServer } from "./server.ts";

export type Evaluate = ServiceImpl<typeof GateService>["evaluate"];
export type Gate = Partial<ServiceImpl<typeof GateService>>;

export interface TestServer extends RunningServer {
  readonly health: HealthState;
  /** What was reported as internal, in order. */
  readonly internal: unknown[];
}

const unused = () => {
  throw new Error("not asked for in this test");
};

export async function testServer(
  gate: Gate,
  limits: Partial<ServeLimits> = {},
  more: Partial<ServerOptions> = {},
): Promise<TestServer> {
  const health = new HealthState();
  health.setServing(true);
  const internal: unknown[] = [];
  const whole = { evaluate: unused, evaluateBatch: unused, evaluateStream: unused, explain: unused, ...gate };
  const server = await startServer({
    host: "127.0.0.1",
    port: 0,
    services: [serviceOf(GateService, whole as ServiceImpl<typeof GateService>)],
    hot: [{ method: GateService.method.evaluate }, { method: GateService.method.evaluateBatch }],
    health,
    limits,
    onInternalError: (error) => internal.push(error),
    ...more,
  });
  onTestFinished(() => server.drain(0));
  return { ...server, health, internal };
}

export function h2(server: RunningServer): ClientHttp2Session {
  const session = connect(`http://127.0.0.1:${server.port}`);
  session.on("error", () => {});
  onTestFinished(() => session.destroy());
  return session;
}

export interface Answer {
  readonly headers: IncomingHttpHeaders;
  /** Trailers, or the headers again where they were the last. */
  readonly trailers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export const EVALUATE = "/kavach.v1.GateService/Evaluate";

/** One gRPC call, its request bytes as given. Rejects when the stream ends without a status. */
export function grpc(
  session: ClientHttp2Session,
  body: Uint8Array,
  more: Record<string, string> = {},
  end = true,
): Promise<Answer> {
  const stream = session.request({
    ":method": "POST",
    ":path": EVALUATE,
    "content-type": "application/grpc",
    te: "trailers",
    ...more,
  });
  return new Promise((resolve, reject) => {
    let headers: IncomingHttpHeaders = {};
    let trailers: IncomingHttpHeaders | undefined;
    const chunks: Buffer[] = [];
    stream.on("response", (got) => {
      headers = got;
    });
    stream.on("trailers", (got) => {
      trailers = got;
    });
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.on("end", () => {
      const answer = { headers, trailers: trailers ?? headers, body: Buffer.concat(chunks) };
      if (answer.trailers["grpc-status"] !== undefined) resolve(answer);
    });
    stream.on("error", reject);
    stream.on("close", () => reject(new Error(`closed with ${stream.rstCode}`)));
    stream.write(body);
    if (end) stream.end();
  });
}

export function frame(message: Uint8Array, flags = 0): Buffer {
  const prefix = Buffer.alloc(5);
  prefix[0] = flags;
  prefix.writeUInt32BE(message.byteLength, 1);
  return Buffer.concat([prefix, message]);
}

export function request(evaluationId = "e-1"): Buffer {
  return frame(toBinary(EvaluateRequestSchema, create(EvaluateRequestSchema, { evaluationId })));
}

export function response(answer: Answer): EvaluateResponse {
  return fromBinary(EvaluateResponseSchema, answer.body.subarray(5));
}
