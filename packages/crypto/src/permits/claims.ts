/** What a permit says, between values and bytes, with the rules both sides hold it to. */
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { type PermitClaims, PermitClaimsSchema, PermitMode, PrincipalKind } from "@kavach/api";
import { LIMITS, type Principal, type PrincipalKind as PrincipalKindName, type Revision } from "@kavach/model";
import { bytesSize, itemSize, numberSize, PlainWriter, textSize } from "@kavach/protobuf";
import type { Suite } from "../algorithms.ts";
import { CryptoError } from "../errors.ts";
import { equalBytes } from "../framing.ts";
import { HASH_BYTES } from "./merkle.ts";

export const PERMIT_VERSION = 2;

/** The claims of a permit but for its version, suite and key id, which are the signer's to say. Times in Unix milliseconds, whole. */
export interface PermitClaimsInit {
  readonly realm: string;
  /** 16 bytes. */
  readonly tokenId: Uint8Array;
  /** 16 bytes. */
  readonly evaluationId: Uint8Array;
  readonly principal: Principal;
  /** Empty: none. */
  readonly sessionId: string;
  /** Name of the action. */
  readonly action: string;
  /** Empty: none. */
  readonly resource: string;
  /** 32 bytes. */
  readonly paramsDigest: Uint8Array;
  /** Empty: for whoever demands no audience. */
  readonly audience: readonly string[];
  /** 32 bytes. */
  readonly policyDigest: Uint8Array;
  readonly revision: Revision;
  readonly issuedAtMs: number;
  /** At or after `issuedAtMs`. */
  readonly notBeforeMs: number;
  /** After `notBeforeMs`, at most `LIMITS.permitTtlMsMax` after `issuedAtMs`. */
  readonly expiresAtMs: number;
  readonly singleUse: boolean;
  readonly mode: "enforce" | "observe";
}

const KINDS: Readonly<Record<PrincipalKindName, PrincipalKind>> = {
  user: PrincipalKind.USER,
  agent: PrincipalKind.AGENT,
  service: PrincipalKind.SERVICE,
  scheduler: PrincipalKind.SCHEDULER,
  external: PrincipalKind.EXTERNAL,
};
const MODES: Readonly<Record<PermitClaimsInit["mode"], PermitMode>> = {
  enforce: PermitMode.ENFORCE,
  observe: PermitMode.OBSERVE,
};
const KIND_NUMBERS: ReadonlySet<number> = new Set(Object.values(KINDS));

/** What is the same in every permit of one key: the last two claims. */
export interface ClaimsSigner {
  readonly suite: Suite;
  readonly keyId: string;
}

/** The bytes that are signed and sent, in canonical protobuf, behind `headroom` free ones. Throws CryptoError `CLAIMS_INVALID`. */
export function encodeClaims(init: PermitClaimsInit, signer: ClaimsSigner, headroom = 0): Uint8Array<ArrayBuffer> {
  try {
    const facts = factsOf(init);
    const fault = typeof init.singleUse === "boolean" ? faultOf(facts) : "single_use";
    if (fault === undefined) return write(facts, init.singleUse, signer, headroom);
    throw new CryptoError("CLAIMS_INVALID", fault);
  } catch (cause) {
    if (cause instanceof CryptoError) throw cause;
    throw new CryptoError("CLAIMS_INVALID", "a claim is of the wrong type", { cause });
  }
}

/** The claims that rules are about, from whichever side they come. */
type Facts<Count extends number | bigint> = Pick<
  PermitClaims,
  | "realm"
  | "tokenId"
  | "evaluationId"
  | "principalId"
  | "principalKind"
  | "sessionId"
  | "action"
  | "resource"
  | "paramsDigest"
  | "policyDigest"
  | "mode"
> & {
  readonly version: number;
  readonly roles: readonly string[];
  readonly audience: readonly string[];
  readonly revision?: { readonly generation: Count; readonly number: Count } | undefined;
  readonly issuedAtMs: Count;
  readonly notBeforeMs: Count;
  readonly expiresAtMs: Count;
};

function factsOf(init: PermitClaimsInit): Facts<number> {
  return {
    version: PERMIT_VERSION,
    realm: init.realm,
    tokenId: init.tokenId as Uint8Array<ArrayBuffer>,
    evaluationId: init.evaluationId as Uint8Array<ArrayBuffer>,
    principalId: init.principal.id,
    principalKind: KINDS[init.principal.kind],
    roles: init.principal.roles,
    sessionId: init.sessionId,
    action: init.action,
    resource: init.resource,
    paramsDigest: init.paramsDigest as Uint8Array<ArrayBuffer>,
    audience: init.audience,
    policyDigest: init.policyDigest as Uint8Array<ArrayBuffer>,
    revision: init.revision,
    issuedAtMs: init.issuedAtMs,
    notBeforeMs: init.notBeforeMs,
    expiresAtMs: init.expiresAtMs,
    mode: MODES[init.mode],
  };
}

function write(
  claims: Facts<number>,
  singleUse: boolean,
  { suite, keyId }: ClaimsSigner,
  headroom: number,
): Uint8Array<ArrayBuffer> {
  const { generation, number } = claims.revision as { generation: number; number: number };
  const revisionSize = numberSize(1, generation) + numberSize(2, number);
  let size =
    numberSize(1, claims.version) +
    textSize(2, claims.realm) +
    bytesSize(3, claims.tokenId.length) +
    bytesSize(4, claims.evaluationId.length) +
    textSize(5, claims.principalId) +
    numberSize(6, claims.principalKind) +
    textSize(8, claims.sessionId) +
    textSize(9, claims.action) +
    textSize(10, claims.resource) +
    bytesSize(11, claims.paramsDigest.length) +
    bytesSize(13, claims.policyDigest.length) +
    itemSize(14, revisionSize) +
    numberSize(15, claims.issuedAtMs) +
    numberSize(16, claims.notBeforeMs) +
    numberSize(17, claims.expiresAtMs) +
    numberSize(18, singleUse ? 1 : 0) +
    numberSize(19, claims.mode) +
    textSize(20, suite) +
    textSize(21, keyId);
  for (const role of claims.roles) size += textSize(7, role);
  for (const name of claims.audience) size += textSize(12, name);
  const writer = new PlainWriter(size, headroom);
  writer.number(1, claims.version);
  writer.text(2, claims.realm);
  writer.raw(3, claims.tokenId);
  writer.raw(4, claims.evaluationId);
  writer.text(5, claims.principalId);
  writer.number(6, claims.principalKind);
  for (const role of claims.roles) writer.text(7, role);
  writer.text(8, claims.sessionId);
  writer.text(9, claims.action);
  writer.text(10, claims.resource);
  writer.raw(11, claims.paramsDigest);
  for (const name of claims.audience) writer.text(12, name);
  writer.raw(13, claims.policyDigest);
  writer.open(14, revisionSize);
  writer.number(1, generation);
  writer.number(2, number);
  writer.number(15, claims.issuedAtMs);
  writer.number(16, claims.notBeforeMs);
  writer.number(17, claims.expiresAtMs);
  writer.number(18, singleUse ? 1 : 0);
  writer.number(19, claims.mode);
  writer.text(20, suite);
  writer.text(21, keyId);
  return writer.finish();
}

/** The claims, or undefined where the bytes are not their one canonical encoding or break a rule. */
export function decodeClaims(bytes: Uint8Array): PermitClaims | undefined {
  let claims: PermitClaims;
  try {
    claims = fromBinary(PermitClaimsSchema, bytes, { readUnknownFields: false });
  } catch {
    return undefined;
  }
  if (faultOf(claims) !== undefined) return undefined;
  // Unknown fields, repeated fields, over-long numbers and broken UTF-8 all come out otherwise than they went in.
  return equalBytes(toBinary(PermitClaimsSchema, claims), bytes) ? claims : undefined;
}

/** What is wrong with claims, whoever signed them. */
function faultOf(claims: Facts<number> | Facts<bigint>): string | undefined {
  const { nameBytesMax, resourceBytesMax, rolesMax, audienceMax } = LIMITS;
  if (claims.version !== PERMIT_VERSION) return "version";
  if (!isText(claims.realm, 1, nameBytesMax)) return "realm";
  if (!areBytes(claims.tokenId, 16)) return "token_id";
  if (!areBytes(claims.evaluationId, 16)) return "evaluation_id";
  if (!isText(claims.principalId, 1, nameBytesMax)) return "principal_id";
  if (!KIND_NUMBERS.has(claims.principalKind)) return "principal_kind";
  if (!areTexts(claims.roles, rolesMax)) return "roles";
  if (!isText(claims.sessionId, 0, nameBytesMax)) return "session_id";
  if (!isText(claims.action, 1, nameBytesMax)) return "action";
  if (!isText(claims.resource, 0, resourceBytesMax)) return "resource";
  if (!areBytes(claims.paramsDigest, HASH_BYTES)) return "params_digest";
  if (!areTexts(claims.audience, audienceMax)) return "audience";
  if (!areBytes(claims.policyDigest, HASH_BYTES)) return "policy_digest";
  if (claims.revision === undefined) return "revision";
  if (!isCount(claims.revision.generation) || !isCount(claims.revision.number)) return "revision";
  if (claims.mode !== PermitMode.ENFORCE && claims.mode !== PermitMode.OBSERVE) return "mode";
  return timesFault(claims);
}

function timesFault({ issuedAtMs, notBeforeMs, expiresAtMs }: Facts<number> | Facts<bigint>): string | undefined {
  if (!isCount(issuedAtMs)) return "issued_at_ms";
  if (!isCount(notBeforeMs) || notBeforeMs < issuedAtMs) return "not_before_ms";
  if (!isCount(expiresAtMs) || expiresAtMs <= notBeforeMs) return "expires_at_ms";
  return Number(expiresAtMs) - Number(issuedAtMs) > LIMITS.permitTtlMsMax ? "expires_at_ms" : undefined;
}

/** `min` and `max` in UTF-8 bytes. A text with a lone surrogate has no UTF-8 form. */
function isText(text: string, min: number, max: number): boolean {
  if (text.length < min || text.length > max || !text.isWellFormed()) return false;
  return text.length * 3 <= max || Buffer.byteLength(text) <= max;
}

function areTexts(texts: readonly string[], countMax: number): boolean {
  return texts.length <= countMax && texts.every((text) => isText(text, 1, LIMITS.nameBytesMax));
}

function areBytes(bytes: Uint8Array, size: number): boolean {
  return bytes instanceof Uint8Array && bytes.length === size;
}

/** Numbers beyond 2^53 would be rounded by whoever reads them as numbers. */
function isCount(value: number | bigint): boolean {
  if (typeof value === "bigint") return value >= 0n && value <= BigInt(Number.MAX_SAFE_INTEGER);
  return Number.isSafeInteger(value) && value >= 0;
}
