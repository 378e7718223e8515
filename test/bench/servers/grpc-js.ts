/** A grpc-js server doing the same work: the same Evaluate before the same gate, from the same bytes to the same bytes. */
import { type handleUnaryCall, type MethodDefinition, Server, ServerCredentials } from "@grpc/grpc-js";
import { EVALUATE_PATH } from "../ask.ts";
import { openEvaluate } from "./evaluate.ts";
import { HOST, portArgument, sayListening } from "./listening.ts";

const definition: MethodDefinition<Uint8Array, Uint8Array> = {
  path: EVALUATE_PATH,
  requestStream: false,
  responseStream: false,
  requestSerialize: toBuffer,
  requestDeserialize: (bytes) => bytes,
  responseSerialize: toBuffer,
  responseDeserialize: (bytes) => bytes,
};

function toBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

const evaluateOnce = await openEvaluate(process.argv[3] ?? "");

const evaluate: handleUnaryCall<Uint8Array, Uint8Array> = ({ request }, callback) => {
  answer(request).then(
    (response) => callback(null, response),
    (error: Error) => callback(error),
  );
};

async function answer(request: Uint8Array): Promise<Uint8Array> {
  return await evaluateOnce(request, 0);
}

const server = new Server();
server.addService({ evaluate: definition }, { evaluate });
server.bindAsync(`${HOST}:${portArgument()}`, ServerCredentials.createInsecure(), (error) => {
  if (error !== null) throw error;
  sayListening();
});
