/** Evaluate between wire and model: requests are checked and read here, decisions are written here. */
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
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
import {
  type Clock,
  DEFAULT_REALM,
  type Decision,
  type DecisionRequest,
  type FieldViolation,
  InputError,
  LIMITS,
  measureText,
  type Outcome,
} from "@kavach/model";
import { contextFromWire } from "./context.ts";
import { durationToWire } from "./instants.ts";
import { revisionFromWire, revisionToWire } from "./revision.ts";
import { scopeToWire } from "./scope.ts";
import { refuseField } from "./violation.ts";

/** What reading a request takes from outside: the instant of a session that names none, and ids. */
export interface ReadWorld {
  readonly clock: Clock;
  readonly drawUuid: () => string;
}

/**
 * Checks a request against every rule of its schema and reads it. The rules are judged by hand here, from the one table of
 * limits, because the schema's own evaluator costs more than the whole decision; a property test holds the two together.
 * Throws InputError; `path` prefixes its fields.
 */
export function readRequest(request: EvaluateRequest, world: ReadWorld, path = ""): DecisionRequest {
  const violations = envelopeViolations(request, path);
  if (violations.length > 0) throw new InputError(violations);
  const { context } = request;
  if (context === undefined) refuseField(`${path}context`, "value is required");
  return {
    realm: request.realm === "" ? DEFAULT_REALM : request.realm,
    evaluationId: request.evaluationId === "" ? world.drawUuid() : request.evaluationId,
    context: contextFromWire(context, `${path}context`, world.clock.nowMs()),
    audience: request.audience,
    singleUse: request.singleUse,
    ...(request.atLeast !== undefined && { atLeast: revisionFromWire(request.atLeast, `${path}at_least`) }),
  };
}

/** In either case. */
export function isUuid(text: string): boolean {
  return UUID.test(text);
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** What stands around the context. */
function envelopeViolations({ realm, evaluationId, audience }: EvaluateRequest, path: string): FieldViolation[] {
  const violations: FieldViolation[] = [];
  const fail = (field: string, reason: string) => violations.push({ field: `${path}${field}`, reason });
  if (!isName(realm, 0)) fail("realm", "must be at most 256 bytes without control characters");
  if (evaluationId !== "" && !isUuid(evaluationId)) fail("evaluation_id", "must be a UUID");
  if (audience.length > LIMITS.audienceMax) fail("audience", `must have at most ${LIMITS.audienceMax} items`);
  for (const [i, name] of audience.entries()) {
    if (!isName(name, 1)) fail(`audience[${i}]`, "must be 1 to 256 bytes without control characters");
  }
  return violations;
}

function isName(text: string, bytesMin: number): boolean {
  const { bytes, control, wellFormed } = measureText(text);
  return bytes >= bytesMin && bytes <= LIMITS.nameBytesMax && !control && wellFormed;
}

/** Throws InputError for a batch that is empty or too long. */
export function readBatch(items: readonly EvaluateRequest[], world: ReadWorld): DecisionRequest[] {
  if (items.length < 1 || items.length > LIMITS.batchItemsMax) {
    throw new InputError([{ field: "items", reason: `must have 1 to ${LIMITS.batchItemsMax} items` }]);
  }
  return items.map((item, i) => readRequest(item, world, `items[${i}].`));
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
    ...(decision.retryAfterMs !== undefined && { retryAfter: durationToWire(decision.retryAfterMs) }),
    propagation: decision.propagation === undefined ? Propagation.UNSPECIFIED : PROPAGATIONS[decision.propagation],
  });
}

function writeVerdict(verdict: Outcome) {
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
