/** The service of the conformance suite: answers what each request tells it to answer, and echoes what it has seen. */

import { setTimeout as pause } from "node:timers/promises";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { type Any, anyPack } from "@bufbuild/protobuf/wkt";
import { ConnectError, type HandlerContext } from "@connectrpc/connect";
import { type ServedService, serviceOf } from "@kavach/serve";
import {
  BidiStreamRequestSchema,
  ClientStreamRequestSchema,
  type ConformancePayload_RequestInfo,
  ConformancePayload_RequestInfoSchema,
  type ConformancePayloadSchema,
  ConformanceService,
  type Error as ErrorDefinition,
  type Header,
  IdempotentUnaryRequestSchema,
  ServerStreamRequestSchema,
  type StreamResponseDefinition,
  UnaryRequestSchema,
  type UnaryResponseDefinition,
} from "./gen/connectrpc/conformance/v1/service_pb.ts";

type Payload = MessageInitShape<typeof ConformancePayloadSchema>;
type RequestInfo = Omit<ConformancePayload_RequestInfo, "$typeName" | "$unknown">;

export function conformanceService(): ServedService {
  return serviceOf(ConformanceService, {
    unary: (request, context) => single(request.responseDefinition, [anyPack(UnaryRequestSchema, request)], context),
    idempotentUnary: (request, context) =>
      single(request.responseDefinition, [anyPack(IdempotentUnaryRequestSchema, request)], context),
    unimplemented() {
      throw new ConnectError("not implemented", 12);
    },
    async clientStream(requests, context) {
      let definition: UnaryResponseDefinition | undefined;
      const seen: Any[] = [];
      for await (const request of requests) {
        definition ??= request.responseDefinition;
        seen.push(anyPack(ClientStreamRequestSchema, request));
      }
      return single(definition, seen, context);
    },
    async *serverStream(request, context) {
      const definition = request.responseDefinition;
      announce(definition, context);
      yield* rest(definition, 0, infoOf(context, [anyPack(ServerStreamRequestSchema, request)]));
    },
    async *bidiStream(requests, context) {
      let definition: StreamResponseDefinition | undefined;
      let fullDuplex = false;
      let sent = 0;
      let seen: Any[] = [];
      for await (const request of requests) {
        if (definition === undefined) {
          definition = request.responseDefinition;
          fullDuplex = request.fullDuplex;
          announce(definition, context);
        }
        seen.push(anyPack(BidiStreamRequestSchema, request));
        if (!fullDuplex) continue;
        const data = definition?.responseData[sent];
        if (data === undefined) break;
        await pause(definition?.responseDelayMs ?? 0);
        yield { payload: { data, requestInfo: infoOf(context, seen) } };
        sent += 1;
        seen = [];
      }
      yield* rest(definition, sent, infoOf(context, seen));
    },
  });
}

async function single(definition: UnaryResponseDefinition | undefined, requests: Any[], context: HandlerContext) {
  announce(definition, context);
  const requestInfo = infoOf(context, requests);
  const response = definition?.response;
  if (response?.case === "error") throw errorOf(response.value, requestInfo);
  await pause(definition?.responseDelayMs ?? 0);
  const payload: Payload = { requestInfo, ...(response?.value === undefined ? {} : { data: response.value }) };
  return { payload };
}

/** What a stream still has to send from response number `from` on; request information goes with the very first. */
async function* rest(definition: StreamResponseDefinition | undefined, from: number, requestInfo: RequestInfo) {
  for (const [index, data] of (definition?.responseData ?? []).entries()) {
    if (index < from) continue;
    await pause(definition?.responseDelayMs ?? 0);
    const payload: Payload = index === 0 ? { data, requestInfo } : { data };
    yield { payload };
  }
  if (definition?.error === undefined) return;
  throw errorOf(definition.error, definition.responseData.length === 0 ? requestInfo : undefined);
}

function announce(definition: UnaryResponseDefinition | StreamResponseDefinition | undefined, context: HandlerContext) {
  append(context.responseHeader, definition?.responseHeaders);
  append(context.responseTrailer, definition?.responseTrailers);
}

function append(target: Headers, headers: readonly Header[] = []): void {
  for (const { name, value } of headers) for (const one of value) target.append(name, one);
}

function infoOf(context: HandlerContext, requests: Any[]): RequestInfo {
  const requestHeaders = [...context.requestHeader].map(([name, value]) => ({ name, value: value.split(", ") }));
  const timeoutMs = context.timeoutMs();
  return {
    requestHeaders: requestHeaders as Header[],
    requests,
    ...(timeoutMs === undefined ? {} : { timeoutMs: BigInt(Math.floor(timeoutMs)) }),
  };
}

function errorOf({ code, message, details }: ErrorDefinition, requestInfo: RequestInfo | undefined): ConnectError {
  const error = new ConnectError(message ?? "", code as number);
  error.details = details.map(({ typeUrl, value }) => ({ type: typeUrl.slice(typeUrl.lastIndexOf("/") + 1), value }));
  if (requestInfo !== undefined) error.details.push({ desc: ConformancePayload_RequestInfoSchema, value: requestInfo });
  return error;
}
