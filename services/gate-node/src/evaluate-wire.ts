/** Between the wire and the conductor: requests are checked and read here, decisions are written here. */
import { create } from "@bufbuild/protobuf";
import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  type EvaluateRequest,
  type EvaluateResponse,
  EvaluateResponseSchema,
  InvalidationSchema,
  PermitSchema,
  Propagation,
  RefusalSchema,
  RefuseCode,
  VerdictSchema,
} from "@kavach/api";
import type { Decision, DecisionRequest, Verdict } from "@kavach/gate";
import { type Clock, DEFAULT_REALM, type RandomBytes, uuidFromRandom } from "@kavach/model";
import { contextFromWire, revisionFromWire, revisionToWire, scopeToWire } from "@kavach/wire";
import { required } from "./door-error.ts";

/** What reading a request takes from outside: the instant of a session that names none, and ids. */
export interface ReadWorld {
  readonly clock: Clock;
  readonly random: RandomBytes;
}

/** The request has passed the rules of its schema. Throws InputError for what those cannot say; `path` prefixes its fields. */
export function readRequest(request: EvaluateRequest, world: ReadWorld, path = ""): DecisionRequest {
  return {
    realm: request.realm === "" ? DEFAULT_REALM : request.realm,
    evaluationId: request.evaluationId === "" ? uuidFromRandom(world.random(16)) : request.evaluationId,
    context: contextFromWire(required(request.context, `${path}context`), `${path}context`, world.clock.nowMs()),
    audience: request.audience,
    singleUse: request.singleUse,
    ...(request.atLeast !== undefined && { atLeast: revisionFromWire(request.atLeast, `${path}at_least`) }),
  };
}

const PROPAGATIONS = {
  published: Propagation.PUBLISHED,
  local_only: Propagation.LOCAL_ONLY,
  primary_only: Propagation.PRIMARY_ONLY,
} as const;

export function writeDecision(decision: Decision): EvaluateResponse {
  return create(EvaluateResponseSchema, {
    verdict: writeVerdict(decision.verdict),
    evaluationId: decision.evaluationId,
    policyDigest: decision.policyDigest,
    policyName: decision.policyName ?? "",
    revision: revisionToWire(decision.revision),
    ...(decision.observed !== undefined && {
      observed: create(VerdictSchema, { verdict: writeVerdict(decision.observed) }),
    }),
    ...(decision.retryAfterMs !== undefined && { retryAfter: durationFromMs(decision.retryAfterMs) }),
    propagation: decision.propagation === undefined ? Propagation.UNSPECIFIED : PROPAGATIONS[decision.propagation],
  });
}

function writeVerdict(verdict: Verdict) {
  switch (verdict.kind) {
    case "permit": {
      const { token, tokenId, issuedAtMs, expiresAtMs } = verdict.permit;
      const value = create(PermitSchema, {
        token: token as Uint8Array<ArrayBuffer>,
        tokenId,
        issuedAt: timestampFromMs(issuedAtMs),
        expiresAt: timestampFromMs(expiresAtMs),
      });
      return { case: "permit", value } as const;
    }
    case "refuse": {
      const { code, evaluator, reason } = verdict;
      return { case: "refuse", value: create(RefusalSchema, { code: RefuseCode[code], evaluator, reason }) } as const;
    }
    case "invalidate":
      return { case: "invalidate", value: create(InvalidationSchema, { scope: scopeToWire(verdict.scope) }) } as const;
  }
}
