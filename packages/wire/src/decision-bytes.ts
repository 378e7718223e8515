/**
 * The answer to Evaluate from the model straight to bytes: what `writeDecision` and the library give, in one buffer of the right
 * size. What is rare goes through messages.
 */
import { toBinary } from "@bufbuild/protobuf";
import { EvaluateResponseSchema } from "@kavach/api";
import type { Decision, IssuedPermit, Outcome, Revision } from "@kavach/model";
import { bytesSize, itemSize, numberSize, PlainWriter, textSize } from "@kavach/protobuf";
import { refuseCodeToWire } from "./codes.ts";
import { writeDecision } from "./evaluate.ts";

type Refusal = Extract<Outcome, { kind: "refuse" }>;

/** Field numbers of EvaluateResponse. */
const FIELD = { permit: 1, refuse: 2, evaluationId: 4, policyDigest: 5, policyName: 6, revision: 7 } as const;

/** A serialised EvaluateResponse behind `headroom` free bytes. */
export function writeDecisionBytes(decision: Decision, headroom: number): Uint8Array {
  const { verdict, evaluationId, policyDigest, policyName = "", revision } = decision;
  if (verdict.kind === "invalidate" || isUnusual(decision)) return throughMessage(decision, headroom);
  const verdictSize = verdict.kind === "permit" ? permitSize(verdict.permit) : refusalSize(verdict);
  const verdictField = verdict.kind === "permit" ? FIELD.permit : FIELD.refuse;
  const size =
    itemSize(verdictField, verdictSize) +
    textSize(FIELD.evaluationId, evaluationId) +
    textSize(FIELD.policyDigest, policyDigest) +
    textSize(FIELD.policyName, policyName) +
    itemSize(FIELD.revision, revisionSize(revision));
  const writer = new PlainWriter(size, headroom);
  writer.open(verdictField, verdictSize);
  if (verdict.kind === "permit") writePermit(writer, verdict.permit);
  else writeRefusal(writer, verdict);
  writer.text(FIELD.evaluationId, evaluationId);
  writer.text(FIELD.policyDigest, policyDigest);
  writer.text(FIELD.policyName, policyName);
  writer.open(FIELD.revision, revisionSize(revision));
  writer.number(1, revision.generation);
  writer.number(2, revision.number);
  return writer.finish();
}

function isUnusual({ observed, retryAfterMs, propagation }: Decision): boolean {
  return observed !== undefined || retryAfterMs !== undefined || propagation !== undefined;
}

function throughMessage(decision: Decision, headroom: number): Uint8Array {
  const message = toBinary(EvaluateResponseSchema, writeDecision(decision));
  const bytes = new Uint8Array(headroom + message.length);
  bytes.set(message, headroom);
  return bytes;
}

function permitSize(permit: IssuedPermit): number {
  const tokenSize = permit.sealed === undefined ? permit.token.length : permit.sealed.size;
  const times = itemSize(3, instantSize(permit.issuedAtMs)) + itemSize(4, instantSize(permit.expiresAtMs));
  return bytesSize(1, tokenSize) + textSize(2, permit.tokenId) + times;
}

function writePermit(writer: PlainWriter, permit: IssuedPermit): void {
  const { sealed } = permit;
  if (sealed === undefined) writer.raw(1, permit.token);
  else if (sealed.size > 0) writer.rawBy(1, sealed.size, (bytes, at) => sealed.writeTo(bytes, at));
  writer.text(2, permit.tokenId);
  writeInstant(writer, 3, permit.issuedAtMs);
  writeInstant(writer, 4, permit.expiresAtMs);
}

function refusalSize(refusal: Refusal): number {
  return numberSize(1, refuseCodeToWire(refusal.code)) + textSize(2, refusal.evaluator) + textSize(3, refusal.reason);
}

function writeRefusal(writer: PlainWriter, { code, evaluator, reason }: Refusal): void {
  writer.number(1, refuseCodeToWire(code));
  writer.text(2, evaluator);
  writer.text(3, reason);
}

/** Of a google.protobuf.Timestamp. `ms`: whole Unix milliseconds from 1970 on. */
function instantSize(ms: number): number {
  return numberSize(1, Math.floor(ms / 1000)) + numberSize(2, (ms % 1000) * 1_000_000);
}

function writeInstant(writer: PlainWriter, field: number, ms: number): void {
  writer.open(field, instantSize(ms));
  writer.number(1, Math.floor(ms / 1000));
  writer.number(2, (ms % 1000) * 1_000_000);
}

function revisionSize({ generation, number }: Revision): number {
  return numberSize(1, generation) + numberSize(2, number);
}
