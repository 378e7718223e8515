/** The flat form of an action context, as SDK users write it. Reading it checks every input limit and refuses unknown keys. */
import { requireContext } from "./context-input.ts";
import { type FieldViolation, InputError } from "./errors.ts";
import type { ActionContext, Device, GeoLocation, ParamValue, PrincipalKind } from "./nouns.ts";

/** What one decision is about, in one object. Only the first three are required. */
export interface ContextInput {
  /** 1 to 256 bytes. */
  readonly principalId: string;
  readonly principalKind: PrincipalKind;
  /** 1 to 256 bytes. */
  readonly actionName: string;
  /** At most 64, of 1 to 256 bytes each. */
  readonly roles?: readonly string[] | undefined;
  /** 1 byte to 1 KiB. */
  readonly resource?: string | undefined;
  /** At most 64 finite numbers, strings of at most 4 KiB, or booleans. */
  readonly params?: Readonly<Record<string, ParamValue>> | ReadonlyMap<string, ParamValue> | undefined;
  /** Address the request comes from now, IPv4 or IPv6 text. */
  readonly ip?: string | undefined;
  /** 1 to 256 bytes. */
  readonly sessionId?: string | undefined;
  /** Address at the start of the session. */
  readonly originIp?: string | undefined;
  readonly currentGeo?: GeoLocation | undefined;
  readonly originGeo?: GeoLocation | undefined;
  readonly device?: Device | undefined;
  readonly originDevice?: Device | undefined;
  /** Start of the session: a `Date`, or Unix seconds. Absent: now. */
  readonly sessionStartedAt?: Date | number | undefined;
  /** Earlier actions in the session. */
  readonly actionCount?: number | undefined;
  /** At most 1 KiB. */
  readonly userAgent?: string | undefined;
}

/** The flat name of each path of the model. */
const FLAT_NAMES: Readonly<Record<string, keyof ContextInput>> = {
  "principal.id": "principalId",
  "principal.kind": "principalKind",
  "principal.roles": "roles",
  "action.name": "actionName",
  "action.resource": "resource",
  "action.params": "params",
  "session.id": "sessionId",
  "session.startedAtMs": "sessionStartedAt",
  "session.actionCount": "actionCount",
  "session.originIp": "originIp",
  "session.originGeo": "originGeo",
  "session.originDevice": "originDevice",
  "environment.ip": "ip",
  "environment.geo": "currentGeo",
  "environment.device": "device",
  "environment.userAgent": "userAgent",
};
const KNOWN_KEYS: ReadonlySet<string> = new Set(Object.values(FLAT_NAMES));
const SESSION_KEYS = ["sessionId", "originIp", "originGeo", "originDevice", "sessionStartedAt", "actionCount"] as const;
const GEO_KEYS: ReadonlySet<string> = new Set(["countryCode", "region", "city", "latitude", "longitude"]);
const DEVICE_KEYS: ReadonlySet<string> = new Set(["hash", "description"]);
const NESTED = [
  ["currentGeo", GEO_KEYS],
  ["originGeo", GEO_KEYS],
  ["device", DEVICE_KEYS],
  ["originDevice", DEVICE_KEYS],
] as const;

export interface FlatReading {
  /** The start of a session whose start is not given, Unix milliseconds. */
  readonly nowMs: number;
  /**
   * Name of a session that has facts but no name: the evaluation id, so that a retry says the same and nobody else's
   * session can be meant.
   */
  readonly unnamedSessionId: string;
}

/** The model's context; throws `InputError` with every violation, each named by its flat key. */
export function contextFromInput(input: ContextInput, reading: FlatReading): ActionContext {
  const violations: FieldViolation[] = [];
  refuseUnknownKeys(input, KNOWN_KEYS, "", violations);
  if (violations.length > 0) throw new InputError(violations);
  for (const [key, known] of NESTED) {
    if (input[key] !== undefined) refuseUnknownKeys(input[key], known, `${key}.`, violations);
  }
  const params = paramsOf(input.params, violations);
  if (violations.length > 0) throw new InputError(violations);
  const { resource, ip, currentGeo, device, userAgent } = input;
  const context: ActionContext = {
    principal: {
      id: input.principalId,
      kind: input.principalKind,
      roles: rolesOf(input.roles),
    },
    action: { name: input.actionName, ...(resource !== undefined && { resource }), params },
    ...sessionOf(input, reading),
    environment: {
      ...(ip !== undefined && { ip }),
      ...(currentGeo !== undefined && { geo: { ...currentGeo } }),
      ...(device !== undefined && { device: { ...device } }),
      ...(userAgent !== undefined && { userAgent }),
    },
  };
  return requireContext(context, flatSpelling);
}

/** Any fact about a session makes one. */
function sessionOf(input: ContextInput, reading: FlatReading): Pick<ActionContext, "session"> {
  if (SESSION_KEYS.every((key) => input[key] === undefined)) return {};
  const { originIp, originGeo, originDevice } = input;
  return {
    session: {
      id: input.sessionId === undefined ? reading.unnamedSessionId : input.sessionId,
      startedAtMs: instantMs(input.sessionStartedAt, reading.nowMs),
      ...(input.sessionStartedAt === undefined && { startAssumed: true }),
      actionCount: input.actionCount === undefined ? 0 : input.actionCount,
      ...(originIp !== undefined && { originIp }),
      ...(originGeo !== undefined && { originGeo: { ...originGeo } }),
      ...(originDevice !== undefined && { originDevice: { ...originDevice } }),
    },
  };
}

/** A copy of a list; what is no list is left for the limits to refuse. */
function rolesOf(roles: readonly string[] | undefined): readonly string[] {
  if (roles === undefined) return [];
  return Array.isArray(roles) ? [...(roles as readonly string[])] : roles;
}

/** What is no instant becomes NaN, which the limits refuse. */
function instantMs(instant: unknown, nowMs: number): number {
  if (instant === undefined) return nowMs;
  if (instant instanceof Date) return instant.getTime();
  return typeof instant === "number" ? instant * 1000 : Number.NaN;
}

/** Copied, so that nothing changes while it is judged: a map, or an object by its own enumerable names. What the values are is the limits' business. */
function paramsOf(params: unknown, violations: FieldViolation[]): ReadonlyMap<string, ParamValue> {
  if (params === undefined) return new Map();
  if (params instanceof Map) return new Map(params as ReadonlyMap<string, ParamValue>);
  if (isPlainObject(params)) return new Map(Object.entries(params) as [string, ParamValue][]);
  violations.push({ field: "params", reason: "must be an object or a map" });
  return new Map();
}

function refuseUnknownKeys(
  value: unknown,
  known: ReadonlySet<string>,
  prefix: string,
  violations: FieldViolation[],
): void {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    violations.push({ field: prefix === "" ? "context" : prefix.slice(0, -1), reason: "must be an object" });
    return;
  }
  for (const key of Object.keys(value)) {
    if (!known.has(key)) violations.push({ field: `${prefix}${key}`, reason: "is not a known key" });
  }
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date);
}

/** The longest known model path that `path` begins with, in its flat name; what follows stays. */
function flatSpelling(path: string): string {
  for (const [modelPath, name] of Object.entries(FLAT_NAMES)) {
    if (path === modelPath || path.startsWith(`${modelPath}.`) || path.startsWith(`${modelPath}[`)) {
      return name + path.slice(modelPath.length);
    }
  }
  return path;
}
