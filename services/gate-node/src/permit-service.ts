/** PermitService: checks and redeems permits for callers that cannot do so themselves. */
import { create } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import {
  PermitFailure,
  type PermitService,
  RedeemPermitRequestSchema,
  RedeemPermitResponseSchema,
  type VerifyPermitRequest,
  VerifyPermitRequestSchema,
  VerifyPermitResponseSchema,
} from "@kavach/api";
import type { PermitExpectation, PermitResult, Permits } from "@kavach/gate";
import { DEFAULT_REALM } from "@kavach/model";
import { validated } from "@kavach/serve";
import { actionFromWire } from "@kavach/wire";
import { atDoor, required } from "./door-error.ts";

export function permitService(permits: Permits): ServiceImpl<typeof PermitService> {
  return {
    verifyPermit: atDoor(async (request) => {
      validated(VerifyPermitRequestSchema, request);
      const result = await permits.verify(request.token, readExpectation(request));
      return create(VerifyPermitResponseSchema, { result: writeResult(result) });
    }),
    redeemPermit: atDoor(async (request) => {
      validated(RedeemPermitRequestSchema, request);
      const result = await permits.redeem(request.token, readExpectation(request));
      return create(RedeemPermitResponseSchema, { result: writeResult(result) });
    }),
  };
}

function readExpectation({ realm, expected }: Pick<VerifyPermitRequest, "realm" | "expected">): PermitExpectation {
  return {
    realm: realm === "" ? DEFAULT_REALM : realm,
    principalId: required(expected, "expected").principalId,
    action: actionFromWire(required(expected?.action, "expected.action"), "expected.action"),
    audience: required(expected, "expected").audience,
  };
}

function writeResult(result: PermitResult) {
  if (result.kind === "valid") return { case: "claims", value: result.claims } as const;
  return { case: "failure", value: PermitFailure[result.failure] } as const;
}
