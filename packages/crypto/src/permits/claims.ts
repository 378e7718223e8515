/** What a permit says, between values and bytes, with the rules both sides hold it to. */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { type PermitClaims, PermitClaimsSchema, PermitMode, PrincipalKind } from "@kavach/api";
import { LIMITS, type Principal, type PrincipalKind as PrincipalKindName, type Revision } from "@kavach/model";
import type { Suite } from "../algorithms.ts";
import { CryptoError } from "../errors.ts";
import { equalBytes, utf8 } from "../framing.ts";
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

/** The bytes that are signed and sent. Throws CryptoError `CLAIMS_INVALID`. */
export function encodeClaims(init: PermitClaimsInit, suite: Suite, keyId: string): Uint8Array<ArrayBuffer> {
  try {
    const claims = messageOf(init, suite, keyId);
    const fault = faultOf(claims);
    if (fault === undefined) return toBinary(PermitClaimsSchema, claims) as Uint8Array<ArrayBuffer>;
    throw new CryptoError("CLAIMS_INVALID", fault);
  } catch (cause) {
    if (cause instanceof CryptoError) throw cause;
    throw new CryptoError("CLAIMS_INVALID", "a claim is of the wrong type", { cause });
  }
}

function messageOf(init: PermitClaimsInit, suite: Suite, keyId: string): PermitClaims {
  return create(PermitClaimsSchema, {
    ...init,
    version: PERMIT_VERSION,
    principalId: init.principal.id,
    principalKind: KINDS[init.principal.kind],
    roles: [...init.principal.roles],
    audience: [...init.audience],
    revision: { generation: BigInt(init.revision.generation), number: BigInt(init.revision.number) },
    issuedAtMs: BigInt(init.issuedAtMs),
    notBeforeMs: BigInt(init.notBeforeMs),
    expiresAtMs: BigInt(init.expiresAtMs),
    mode: MODES[init.mode],
    suite,
    keyId,
  });
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
function faultOf(claims: PermitClaims): string | undefined {
  const { nameBytesMax, resourceBytesMax, rolesMax, audienceMax, permitTtlMsMax } = LIMITS;
  if (claims.version !== PERMIT_VERSION) return "version";
  if (!isText(claims.realm, 1, nameBytesMax)) return "realm";
  if (claims.tokenId.length !== 16) return "token_id";
  if (claims.evaluationId.length !== 16) return "evaluation_id";
  if (!isText(claims.principalId, 1, nameBytesMax)) return "principal_id";
  if (!KIND_NUMBERS.has(claims.principalKind)) return "principal_kind";
  if (!areTexts(claims.roles, rolesMax)) return "roles";
  if (!isText(claims.sessionId, 0, nameBytesMax)) return "session_id";
  if (!isText(claims.action, 1, nameBytesMax)) return "action";
  if (!isText(claims.resource, 0, resourceBytesMax)) return "resource";
  if (claims.paramsDigest.length !== HASH_BYTES) return "params_digest";
  if (!areTexts(claims.audience, audienceMax)) return "audience";
  if (claims.policyDigest.length !== HASH_BYTES) return "policy_digest";
  if (claims.revision === undefined) return "revision";
  if (!isCount(claims.revision.generation) || !isCount(claims.revision.number)) return "revision";
  if (!isCount(claims.issuedAtMs)) return "issued_at_ms";
  if (!isCount(claims.notBeforeMs) || claims.notBeforeMs < claims.issuedAtMs) return "not_before_ms";
  if (!isCount(claims.expiresAtMs) || claims.expiresAtMs <= claims.notBeforeMs) return "expires_at_ms";
  if (claims.expiresAtMs - claims.issuedAtMs > BigInt(permitTtlMsMax)) return "expires_at_ms";
  if (claims.mode !== PermitMode.ENFORCE && claims.mode !== PermitMode.OBSERVE) return "mode";
  return undefined;
}

/** `min` and `max` in UTF-8 bytes. A text with a lone surrogate has no UTF-8 form. */
function isText(text: string, min: number, max: number): boolean {
  if (text.length < min || text.length > max || !text.isWellFormed()) return false;
  return text.length * 3 <= max || utf8(text).length <= max;
}

function areTexts(texts: readonly string[], countMax: number): boolean {
  return texts.length <= countMax && texts.every((text) => isText(text, 1, LIMITS.nameBytesMax));
}

/** Numbers beyond 2^53 would be rounded by whoever reads them as numbers. */
function isCount(value: bigint): boolean {
  return value >= 0n && value <= BigInt(Number.MAX_SAFE_INTEGER);
}
