/** GateService: validate, read, decide, write. No business of its own. */
import { create } from "@bufbuild/protobuf";
import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import {
  EvaluateBatchResponseSchema,
  type EvaluateStreamRequest,
  type EvaluateStreamResponse,
  EvaluateStreamResponseSchema,
  type GateService,
} from "@kavach/api";
import type { Conductor } from "@kavach/gate";
import { type DecisionRequest, InputError } from "@kavach/model";
import type { DirectAnswer } from "@kavach/serve";
import {
  type ReadWorld,
  readBatch,
  readRequest,
  readRequestBytes,
  writeDecision,
  writeDecisionBytes,
} from "@kavach/wire";
import { callerOf } from "./caller.ts";
import { atDoor, doorError } from "./door-error.ts";
import { unordered } from "./unordered.ts";

/** How many items of one stream are decided at once; the stream is not read further while they are. */
const STREAM_CONCURRENCY = 256;

export function gateService(gate: Conductor, world: ReadWorld): ServiceImpl<typeof GateService> {
  async function answer(item: EvaluateStreamRequest, caller: string): Promise<EvaluateStreamResponse> {
    try {
      if (item.request === undefined) throw new InputError([{ field: "request", reason: "value is required" }]);
      const decision = await gate.evaluate(readRequest(item.request, world), caller);
      return create(EvaluateStreamResponseSchema, {
        id: item.id,
        result: { case: "response", value: writeDecision(decision) },
      });
    } catch (error) {
      const { code, rawMessage: message } = doorError(error);
      return create(EvaluateStreamResponseSchema, { id: item.id, result: { case: "error", value: { code, message } } });
    }
  }
  return {
    evaluate: atDoor(async (request, context) => {
      return writeDecision(await gate.evaluate(readRequest(request, world), callerOf(context)));
    }),
    evaluateBatch: atDoor(async (request, context) => {
      const decisions = await gate.evaluateAll(readBatch(request.items, world), callerOf(context));
      return create(EvaluateBatchResponseSchema, { items: decisions.map(writeDecision) });
    }),
    evaluateStream(requests, context) {
      const caller = callerOf(context);
      return unordered(requests, (item) => answer(item, caller), STREAM_CONCURRENCY);
    },
  };
}

/** Evaluate without messages, for requests of the usual form. */
export function evaluateDirect(gate: Conductor, world: ReadWorld): DirectAnswer {
  return (bytes, context, headroom) => {
    const request = readRequestBytes(bytes, world);
    return request && answerDirectly(gate, request, context, headroom);
  };
}

async function answerDirectly(
  gate: Conductor,
  request: DecisionRequest,
  context: HandlerContext,
  headroom: number,
): Promise<Uint8Array> {
  try {
    return writeDecisionBytes(await gate.decideSoon(request, callerOf(context)), headroom);
  } catch (error) {
    throw doorError(error);
  }
}
