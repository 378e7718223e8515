/** Closed lists of names between wire and model. */
import { RefuseCode as WireCode, PrincipalKind as WireKind } from "@kavach/api";
import type { PrincipalKind, RefuseCode } from "@kavach/model";
import { refuseField } from "./violation.ts";

const KIND_TO_WIRE: Readonly<Record<PrincipalKind, WireKind>> = {
  user: WireKind.USER,
  agent: WireKind.AGENT,
  service: WireKind.SERVICE,
  scheduler: WireKind.SCHEDULER,
  external: WireKind.EXTERNAL,
};

const CODE_TO_WIRE: Readonly<Record<RefuseCode, WireCode>> = {
  IDENTITY_FAILED: WireCode.IDENTITY_FAILED,
  POLICY_DENIED: WireCode.POLICY_DENIED,
  NO_POLICY_MATCH: WireCode.NO_POLICY_MATCH,
  RATE_LIMIT_EXCEEDED: WireCode.RATE_LIMIT_EXCEEDED,
  SESSION_INVALID: WireCode.SESSION_INVALID,
  INVARIANT_VIOLATION: WireCode.INVARIANT_VIOLATION,
  DRIFT_DETECTED: WireCode.DRIFT_DETECTED,
  PERMIT_EXPIRED: WireCode.PERMIT_EXPIRED,
};

const KIND_FROM_WIRE = inverse(KIND_TO_WIRE);
const CODE_FROM_WIRE = inverse(CODE_TO_WIRE);

export function principalKindToWire(kind: PrincipalKind): WireKind {
  return KIND_TO_WIRE[kind];
}

/** Throws `InputError` for an unset or unknown kind. */
export function principalKindFromWire(kind: WireKind, path: string): PrincipalKind {
  return KIND_FROM_WIRE.get(kind) ?? refuseField(path, "must be one of user, agent, service, scheduler, external");
}

export function refuseCodeToWire(code: RefuseCode): WireCode {
  return CODE_TO_WIRE[code];
}

/** Undefined for an unset or unknown code: the refusal stands, its code is not known here. */
export function refuseCodeFromWire(code: WireCode): RefuseCode | undefined {
  return CODE_FROM_WIRE.get(code);
}

function inverse<Name extends string, Value>(table: Readonly<Record<Name, Value>>): ReadonlyMap<Value, Name> {
  return new Map((Object.entries(table) as [Name, Value][]).map(([name, value]) => [value, name]));
}
