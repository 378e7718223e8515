/** The one port as a whole: protocols side by side, orderly ends, floods, and what a machine asks of it. */

import { once } from "node:events";
import { connect as tcp } from "node:net";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { GateService, grpcHealthV1, grpcReflectionV1, grpcReflectionV1Alpha } from "@kavach/api";
import { describe, expect, onTestFinished, test } from "vitest";
import { HealthState } from "./health.ts";
import { protocolOf } from "./listener.ts";
import { ServeError } from "./serve-error.ts";
import { EVALUATE, type Evaluate, frame, grpc, h2, request, response, testServer } from "./server.test-kit.ts";
import { startServer } from "./server.ts";

const ok: Evaluate = ({ evaluationId }) => ({ evaluationId });

/** Calls that begin when the implementation is reached and end when they are let go. */
function held() {
  const begun = Promise.withResolvers<void>();
  const free = Promise.withResolvers<void>();
  const evaluate: Evaluate = async ({ evaluationId }) => {
    begun.resolve();
    await free.promise;
    return { evaluationId };
  };
  return { evaluate, begun: begun.promise, free: () => free.resolve() };
}

async function raw(port: number, bytes: string | Buffer): Promise<string> {
  const socket = tcp(port, "127.0.0.1");
  onTestFinished(() => void socket.destroy());
  socket.on("error", () => {});
  let got = "";
  socket.on("data", (chunk: Buffer) => {
    got += chunk.toString("latin1");
  });
  socket.write(bytes);
  await once(socket, "close");
  return got;
}

describe("one port", () => {
  test.for([
    ["P", undefined],
    ["PR", undefined],
    ["PRI", "http2"],
    ["PRI * HTTP/2.0", "http2"],
    ["PO", "http1"],
    ["GET /", "http1"],
    ["\x16\x03\x01", "http1"],
  ] as const)("first bytes %j are %s", ([bytes, protocol]) => {
    expect(protocolOf(Buffer.from(bytes, "latin1"))).toBe(protocol);
  });

  test("a preface that comes byte by byte is understood", async () => {
    const server = await testServer({ evaluate: ok });
    const socket = tcp({ port: server.port, host: "127.0.0.1", noDelay: true });
    onTestFinished(() => void socket.destroy());
    for (const byte of Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0", "latin1")) {
      await new Promise((sent) => socket.write(Buffer.from([byte]), sent));
    }
    const [settings] = (await once(socket, "data")) as [Buffer];
    expect(settings[3]).toBe(4);
  });

  test("JSON over HTTP/1.1 is answered, and unknown keys are refused", async () => {
    const server = await testServer({ evaluate: ok });
    const post = (body: string) =>
      fetch(`http://127.0.0.1:${server.port}${EVALUATE}`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body,
      });
    expect(await (await post('{"evaluationId":"e-1"}')).json()).toEqual({ evaluationId: "e-1" });
    expect((await post('{"evaluation_idd":"e-1"}')).status).toBe(400);
    expect((await post(JSON.stringify({ realm: "x".repeat(70_000) }))).status).toBe(429);
    expect((await post('{"evaluationId":"e-2"}')).status).toBe(200);
  });

  test("a batch may be larger than a single request", async () => {
    const server = await testServer({ evaluate: ok, evaluateBatch: () => ({ items: [] }) });
    const path = { ":path": "/kavach.v1.GateService/EvaluateBatch" };
    // An unknown field of 100 KB: tag 15, length-delimited.
    const large = frame(Buffer.concat([Buffer.from([0x7a, 0xa0, 0x8d, 0x06]), Buffer.alloc(100_000)]));
    expect((await grpc(h2(server), large, path)).trailers["grpc-status"]).toBe("0");
    expect((await grpc(h2(server), large)).trailers["grpc-status"]).toBe(String(Code.ResourceExhausted));
  });

  test.for(["GET / HTTP/1.1\r\n", "", "PR"])("a caller that says only %j is let go", async (bytes) => {
    const server = await testServer({ evaluate: ok }, { headersTimeoutMs: 50, connectionAgeGraceMs: 100 });
    expect(await raw(server.port, bytes)).toMatch(/^$|^HTTP\/1.1 408/);
  });

  test("a connection that a client keeps in stock is no slow caller, and answers when it is used at last", async () => {
    const server = await testServer({ evaluate: ok }, { headersTimeoutMs: 50 });
    const socket = tcp({ host: "127.0.0.1", port: server.port });
    onTestFinished(() => void socket.destroy());
    await new Promise((resolve) => setTimeout(resolve, 300));
    socket.write("GET /none HTTP/1.1\r\nhost: x\r\n\r\n");
    const [answer] = (await once(socket, "data")) as [Buffer];
    expect(answer.toString()).toMatch(/^HTTP\/1.1 404/);
  });

  test("a port that is taken is told in one line", async () => {
    const first = await testServer({ evaluate: ok });
    const second = startServer({
      host: "127.0.0.1",
      port: first.port,
      services: [],
      health: new HealthState(),
      onInternalError: () => {},
    });
    const error = await second.catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(ServeError);
    expect(error).toMatchObject({
      code: "ADDRESS_IN_USE",
      message: `port ${first.port} on 127.0.0.1 is in use; choose another with --listen`,
    });
  });
});

describe("hostile callers", () => {
  test("a flood of resets ends its connection and not the process", async () => {
    const server = await testServer({ evaluate: ok }, { resetBurst: 200, resetsPerSecond: 1 });
    const session = h2(server);
    const closed = new Promise((resolve) => session.once("close", resolve));
    const flood = () => {
      for (let n = 0; n < 50 && !session.destroyed; n++) {
        const stream = session.request({ ":method": "POST", ":path": EVALUATE, "content-type": "application/grpc" });
        stream.on("error", () => {});
        stream.close(8);
      }
      if (!session.destroyed) setImmediate(flood);
    };
    flood();
    await closed;
    expect(response(await grpc(h2(server), request())).evaluationId).toBe("e-1");
  });

  test.for(["hello", "\0\0\0\x01\x01\0\0\0\x01\xff"])(
    "bytes that are no HTTP/2 end their connection alone",
    async (rest) => {
      const server = await testServer({ evaluate: ok });
      await raw(server.port, Buffer.from(`PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${rest}${"x".repeat(100)}`, "latin1"));
      expect(response(await grpc(h2(server), request())).evaluationId).toBe("e-1");
    },
  );

  test("a loop that stays behind sheds calls but still answers for its health", async () => {
    const spin: Evaluate = () => {
      const untilMs = performance.now() + 60;
      while (performance.now() < untilMs);
      return {};
    };
    const server = await testServer({ evaluate: spin }, { eventLoopDelayMsMax: 20 });
    const session = h2(server);
    let status: unknown = "0";
    for (let n = 0; n < 50 && status === "0"; n++) status = (await grpc(session, request())).trailers["grpc-status"];
    expect(status).toBe(String(Code.ResourceExhausted));
    const health = { ":path": "/grpc.health.v1.Health/Check" };
    expect((await grpc(session, frame(new Uint8Array()), health)).trailers["grpc-status"]).toBe("0");
  });
});

describe("drain", () => {
  test.for([true, false])("loses no call that is under way (fast path %s)", async (fastPath) => {
    const { evaluate, begun, free } = held();
    const server = await testServer({ evaluate }, {}, { fastPath });
    const session = h2(server);
    const calls = Array.from({ length: 50 }, (_, n) => grpc(session, request(`e-${n}`)));
    await begun;
    const goaway = once(session, "goaway");
    const drained = server.drain(10_000);
    expect(server.health.serving).toBe(false);
    await goaway;
    free();
    const answers = (await Promise.all(calls)).map((answer) => response(answer).evaluationId);
    expect(answers).toEqual(calls.map((_, n) => `e-${n}`));
    await drained;
    await expect(grpc(h2(server), request())).rejects.toThrow();
  });

  test("cuts what is left after the grace", async () => {
    const { evaluate, begun } = held();
    const server = await testServer({ evaluate }, { deadlineMs: 60_000 });
    const lost = expect(grpc(h2(server), request())).rejects.toThrow();
    await begun;
    await server.drain(20);
    await lost;
  });

  test("a stream answers what it has read, then ends UNAVAILABLE", async () => {
    const read = Promise.withResolvers<void>();
    const server = await testServer({
      async *evaluateStream(requests) {
        for await (const { id } of requests) {
          yield { id };
          read.resolve();
        }
        yield { id: 99n };
      },
    });
    const client = createClient(GateService, createGrpcTransport({ baseUrl: `http://127.0.0.1:${server.port}` }));
    const open = Promise.withResolvers<void>();
    const answers = client.evaluateStream(
      (async function* () {
        yield { id: 1n };
        await open.promise;
      })(),
    );
    const got: bigint[] = [];
    const ended = (async () => {
      for await (const { id } of answers) got.push(id);
    })().catch((error: unknown) => ConnectError.from(error).code);
    await read.promise;
    await server.drain(10_000);
    open.resolve();
    expect(await ended).toBe(Code.Unavailable);
    expect(got).toEqual([1n, 99n]);
  });
});

describe("what machines ask", () => {
  test("health follows the state, also as a stream", async () => {
    const server = await testServer({ evaluate: ok });
    const client = createClient(
      grpcHealthV1.Health,
      createGrpcTransport({ baseUrl: `http://127.0.0.1:${server.port}` }),
    );
    const { SERVING, NOT_SERVING, SERVICE_UNKNOWN } = grpcHealthV1.HealthCheckResponse_ServingStatus;
    expect((await client.check({ service: "kavach.v1.GateService" })).status).toBe(SERVING);
    await expect(client.check({ service: "nobody" })).rejects.toMatchObject({ code: Code.NotFound });
    expect(Object.keys((await client.list({})).statuses)).toEqual(["", "kavach.v1.GateService"]);
    const unknown = client.watch({ service: "nobody" })[Symbol.asyncIterator]();
    expect((await unknown.next()).value?.status).toBe(SERVICE_UNKNOWN);
    const watched: number[] = [];
    for await (const { status } of client.watch({})) {
      if (watched.push(status) === 2) break;
      server.health.setServing(false);
    }
    expect(watched).toEqual([SERVING, NOT_SERVING]);
  });

  test.for([grpcReflectionV1.ServerReflection, grpcReflectionV1Alpha.ServerReflection])(
    "$typeName lists every service with its descriptors",
    async (desc) => {
      const server = await testServer({ evaluate: ok });
      const client = createClient(
        desc as typeof grpcReflectionV1.ServerReflection,
        createGrpcTransport({ baseUrl: `http://127.0.0.1:${server.port}` }),
      );
      const ask = async (value: { case: "listServices" | "fileContainingSymbol"; value: string }) => {
        for await (const answer of client.serverReflectionInfo(
          (async function* () {
            yield { messageRequest: value };
          })(),
        ))
          return answer.messageResponse;
        throw new Error("no answer");
      };
      const listed = await ask({ case: "listServices", value: "" });
      const names = listed.case === "listServicesResponse" ? listed.value.service.map(({ name }) => name) : [];
      expect(names).toEqual([
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
        "kavach.v1.GateService",
      ]);
      for (const name of names)
        expect((await ask({ case: "fileContainingSymbol", value: name })).case).toBe("fileDescriptorResponse");
      expect((await ask({ case: "fileContainingSymbol", value: "no.such" })).case).toBe("errorResponse");
    },
  );
});
