/** A grpc-js server doing the same work: the same Evaluate before the same gate, the same generated code. */
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { type handleUnaryCall, type MethodDefinition, Server, ServerCredentials } from "@grpc/grpc-js";
import {
  type EvaluateRequest,
  EvaluateRequestSchema,
  type EvaluateResponse,
  EvaluateResponseSchema,
} from "@kavach/api";
import { EVALUATE_PATH } from "../ask.ts";
import { openEvaluate } from "./evaluate.ts";
import { HOST, portArgument, sayListening } from "./listening.ts";

const definition: MethodDefinition<EvaluateRequest, EvaluateResponse> = {
  path: EVALUATE_PATH,
  requestStream: false,
  responseStream: false,
  requestSerialize: (message) => toBuffer(toBinary(EvaluateRequestSchema, message)),
  requestDeserialize: (bytes) => fromBinary(EvaluateRequestSchema, bytes),
  responseSerialize: (message) => toBuffer(toBinary(EvaluateResponseSchema, message)),
  responseDeserialize: (bytes) => fromBinary(EvaluateResponseSchema, bytes),
};

function toBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

const evaluateOnce = await openEvaluate(process.argv[3] ?? "");

const evaluate: handleUnaryCall<EvaluateRequest, EvaluateResponse> = ({ request }, callback) => {
  answer(request).then(
    (response) => callback(null, response),
    (error: Error) => callback(error),
  );
};

async function answer(request: EvaluateRequest): Promise<EvaluateResponse> {
  return await evaluateOnce(request);
}

const server = new Server();
server.addService({ evaluate: definition }, { evaluate });
server.bindAsync(`${HOST}:${portArgument()}`, ServerCredentials.createInsecure(), (error) => {
  if (error !== null) throw error;
  sayListening();
});
