/** The server under test: reads from standard input what to serve, serves it, and says on standard output where. */
import { buffer } from "node:stream/consumers";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { HealthState, startServer } from "@kavach/serve";
import {
  ServerCompatRequestSchema,
  ServerCompatResponseSchema,
} from "./gen/connectrpc/conformance/v1/server_compat_pb.ts";
import { ConformanceService } from "./gen/connectrpc/conformance/v1/service_pb.ts";
import { conformanceService } from "./service.ts";

const PREFIX_BYTES = 4;

const [fastPath] = process.argv.slice(2);
if (fastPath !== "on" && fastPath !== "off") throw new Error("usage: server.ts on|off (the fast path)");

const request = fromBinary(ServerCompatRequestSchema, (await buffer(process.stdin)).subarray(PREFIX_BYTES));
const credentials = request.useTls ? request.serverCreds : undefined;
const utf8 = (bytes: Uint8Array) => Buffer.from(bytes).toString();

const server = await startServer({
  host: "127.0.0.1",
  port: 0,
  services: [conformanceService()],
  hot: [{ method: ConformanceService.method.unary }, { method: ConformanceService.method.idempotentUnary }],
  fastPath: fastPath === "on",
  limits: {
    // The suite checks the deadline that it has sent, and that there is none where it has sent none.
    deadlineMs: Number.POSITIVE_INFINITY,
    // A machine that is busy with other suites must not make this one see shed calls.
    eventLoopDelayMsMax: Number.POSITIVE_INFINITY,
    ...(request.messageReceiveLimit === 0 ? {} : { requestBytesMax: request.messageReceiveLimit }),
  },
  ...(credentials === undefined
    ? {}
    : {
        tls: {
          cert: utf8(credentials.cert),
          key: utf8(credentials.key),
          ...(request.clientTlsCert.length === 0 ? {} : { clientCa: utf8(request.clientTlsCert) }),
        },
      }),
  health: new HealthState(),
  onInternalError: () => {},
});

const where = create(ServerCompatResponseSchema, {
  host: server.host,
  port: server.port,
  ...(credentials === undefined ? {} : { pemCert: credentials.cert }),
});
const answer = toBinary(ServerCompatResponseSchema, where);
const prefix = Buffer.alloc(PREFIX_BYTES);
prefix.writeUInt32BE(answer.byteLength);
process.stdout.write(Buffer.concat([prefix, answer]));

process.once("SIGTERM", () => void server.drain(1000));
