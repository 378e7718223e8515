/** Asks a server once, through grpc-js, and judges the answer: what is not right is not measured. */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { ValueSchema } from "@bufbuild/protobuf/wkt";
import { Client, credentials } from "@grpc/grpc-js";
import {
  EvaluateRequestSchema,
  type EvaluateResponse,
  EvaluateResponseSchema,
  GateService,
  PermitFailure,
  PermitFailureSchema,
  PermitService,
  VerifyPermitRequestSchema,
  type VerifyPermitResponse,
  VerifyPermitResponseSchema,
} from "@kavach/api";
import { ACTION_NAME, AMOUNT, PRINCIPAL_ID, refundRequest } from "./request.ts";

const DEADLINE_MS = 10_000;

export const EVALUATE_PATH = `/${GateService.typeName}/${GateService.method.evaluate.name}`;
const VERIFY_PATH = `/${PermitService.typeName}/${PermitService.method.verifyPermit.name}`;

/** The answer's message as it came, and the permit's token (empty where the gate does not sign). Throws when it is no permit. */
export async function permitOf(address: string): Promise<{ message: Uint8Array; token: Uint8Array }> {
  const request = toBinary(EvaluateRequestSchema, refundRequest());
  const message = await withClient(address, (client) => call(client, EVALUATE_PATH, request));
  return { message, token: tokenOf(fromBinary(EvaluateResponseSchema, message)) };
}

function tokenOf({ verdict, policyName }: EvaluateResponse): Uint8Array {
  if (verdict.case === "permit" && policyName !== "" && verdict.value.tokenId !== "") return verdict.value.token;
  const why = verdict.case === "refuse" ? `: ${verdict.value.reason}` : "";
  throw new Error(`the answer must be a permit, but is ${verdict.case ?? "no verdict"}${why}`);
}

/** Throws unless the permit covers what it was asked for, and nothing else. */
export async function demandVerifies(address: string, token: Uint8Array): Promise<void> {
  await withClient(address, async (client) => {
    const same = await verify(client, token, AMOUNT);
    if (same.result.case !== "claims") throw new Error(`the permit does not verify: ${failureOf(same)}`);
    const other = await verify(client, token, AMOUNT + 1);
    if (other.result.case !== "failure" || other.result.value !== PermitFailure.PARAMS_MISMATCH) {
      throw new Error(`the permit must not cover another amount, but: ${failureOf(other)}`);
    }
  });
}

async function verify(client: Client, token: Uint8Array, amount: number): Promise<VerifyPermitResponse> {
  const { context, audience } = refundRequest();
  const params = {
    ...context?.action?.params,
    amount: create(ValueSchema, { kind: { case: "numberValue", value: amount } }),
  };
  const expected = {
    principalId: PRINCIPAL_ID,
    audience: audience[0] ?? "",
    action: { name: ACTION_NAME, resource: context?.action?.resource ?? "", params },
  } as const;
  const request = toBinary(VerifyPermitRequestSchema, create(VerifyPermitRequestSchema, { token, expected }));
  return fromBinary(VerifyPermitResponseSchema, await call(client, VERIFY_PATH, request));
}

function failureOf({ result }: VerifyPermitResponse): string {
  if (result.case !== "failure") return result.case ?? "no result";
  return PermitFailureSchema.value[result.value]?.name ?? String(result.value);
}

async function withClient<T>(address: string, use: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client(address, credentials.createInsecure());
  try {
    return await use(client);
  } finally {
    client.close();
  }
}

function call(client: Client, path: string, request: Uint8Array): Promise<Uint8Array> {
  const deadline = performance.timeOrigin + performance.now() + DEADLINE_MS;
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      path,
      toBuffer,
      (bytes) => bytes,
      request,
      { deadline },
      (error, response) => {
        if (error !== null) reject(error);
        else if (response === undefined) reject(new Error(`${path}: no message`));
        else resolve(response);
      },
    );
  });
}

function toBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
