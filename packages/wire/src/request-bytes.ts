/**
 * The request of Evaluate from bytes straight to the model, without the cost of messages. Requests of any but the usual
 * form, the wrong ones among them, are left to `readRequest`, which judges them; a property test holds the two together.
 */
import type { PrincipalKind } from "@kavach/api";
import {
  type Action,
  type ActionContext,
  DEFAULT_REALM,
  type DecisionRequest,
  type Device,
  type Environment,
  type GeoLocation,
  isAddress,
  LIMITS,
  type ParamValue,
  PRINCIPAL_KINDS,
  type Principal,
  type Session,
} from "@kavach/model";
import { bytesTag, doubleTag, PlainReader, varintTag } from "@kavach/protobuf";
import { principalKindFromWire } from "./codes.ts";
import { isUuid, type ReadWorld } from "./evaluate.ts";

type Filling<T> = { -readonly [Key in keyof T]?: T[Key] | undefined };

/** The request, or undefined where it is not of the usual form: then it is read as a message. Never throws. */
export function readRequestBytes(bytes: Uint8Array, world: ReadWorld): DecisionRequest | undefined {
  // The sum of all sizes cannot break its limit then.
  if (bytes.length > LIMITS.requestBytesMax / 2) return undefined;
  const reader = new PlainReader(bytes);
  const audience: string[] = [];
  let realm: string | undefined;
  let evaluationId: string | undefined;
  let context: ActionContext | undefined;
  let singleUse: boolean | undefined;
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === bytesTag(1) && realm === undefined) realm = name(reader, 0);
    else if (tag === bytesTag(2) && evaluationId === undefined) evaluationId = reader.text(0, 36);
    else if (tag === bytesTag(3) && context === undefined) context = readContext(reader, world);
    else if (tag === bytesTag(4) && audience.length < LIMITS.audienceMax) audience.push(name(reader, 1));
    else if (tag === varintTag(6) && singleUse === undefined) singleUse = flag(reader);
    else reader.stop();
  }
  if (!reader.plain || context === undefined) return undefined;
  if (evaluationId !== undefined && evaluationId !== "" && !isUuid(evaluationId)) return undefined;
  return {
    realm: realm === undefined || realm === "" ? DEFAULT_REALM : realm,
    evaluationId: evaluationId === undefined || evaluationId === "" ? world.drawUuid() : evaluationId,
    context,
    audience,
    singleUse: singleUse === true,
  };
}

function readContext(reader: PlainReader, world: ReadWorld): ActionContext | undefined {
  const outer = reader.enter();
  let principal: Principal | undefined;
  let action: Action | undefined;
  let session: Session | undefined;
  let environment: Environment | undefined;
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === bytesTag(1) && principal === undefined) principal = readPrincipal(reader);
    else if (tag === bytesTag(2) && action === undefined) action = readAction(reader);
    else if (tag === bytesTag(3) && session === undefined) session = readSession(reader, world);
    else if (tag === bytesTag(4) && environment === undefined) environment = readEnvironment(reader);
    else reader.stop();
  }
  reader.leave(outer);
  if (principal === undefined || action === undefined) return undefined;
  if (session === undefined) return { principal, action, environment: environment ?? {} };
  return { principal, action, session, environment: environment ?? {} };
}

function readPrincipal(reader: PlainReader): Principal | undefined {
  const outer = reader.enter();
  const roles: string[] = [];
  let id: string | undefined;
  let kind: number | undefined;
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === bytesTag(1) && id === undefined) id = name(reader, 1);
    else if (tag === varintTag(2) && kind === undefined) kind = reader.varint();
    else if (tag === bytesTag(3) && roles.length < LIMITS.rolesMax) roles.push(name(reader, 1));
    else reader.stop();
  }
  reader.leave(outer);
  if (id === undefined || kind === undefined || kind < 1 || kind > PRINCIPAL_KINDS.length) return missing(reader);
  return { id, kind: principalKindFromWire(kind as PrincipalKind, ""), roles };
}

function readAction(reader: PlainReader): Action | undefined {
  const outer = reader.enter();
  const params = new Map<string, ParamValue>();
  let actionName: string | undefined;
  let resource: string | undefined;
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === bytesTag(1) && actionName === undefined) actionName = name(reader, 1);
    else if (tag === bytesTag(2) && resource === undefined) resource = reader.text(0, LIMITS.resourceBytesMax);
    else if (tag === bytesTag(3) && params.size < LIMITS.paramsMax) readParam(reader, params);
    else reader.stop();
  }
  reader.leave(outer);
  if (actionName === undefined) return missing(reader);
  if (resource === undefined || resource === "") return { name: actionName, params };
  return { name: actionName, resource, params };
}

/** One entry of the map; of a name that comes twice the library knows which counts. */
function readParam(reader: PlainReader, params: Map<string, ParamValue>): void {
  const outer = reader.enter();
  let key: string | undefined;
  let value: ParamValue | undefined;
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === bytesTag(1) && key === undefined) key = name(reader, 1);
    else if (tag === bytesTag(2) && value === undefined) value = readValue(reader);
    else reader.stop();
  }
  reader.leave(outer);
  if (key === undefined || value === undefined || params.has(key)) reader.stop();
  else params.set(key, value);
}

/** Of google.protobuf.Value the three kinds that a param may have. */
function readValue(reader: PlainReader): ParamValue | undefined {
  const outer = reader.enter();
  let value: ParamValue | undefined;
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (value !== undefined) reader.stop();
    else if (tag === doubleTag(2)) value = reader.double();
    else if (tag === bytesTag(3)) value = reader.text(0, LIMITS.stringParamBytesMax);
    else if (tag === varintTag(4)) value = flag(reader);
    else reader.stop();
  }
  reader.leave(outer);
  return value;
}

function readSession(reader: PlainReader, world: ReadWorld): Session | undefined {
  const outer = reader.enter();
  const session: Filling<Session> = {};
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === bytesTag(1) && session.id === undefined) session.id = name(reader, 1);
    else if (tag === bytesTag(2) && session.startedAtMs === undefined) session.startedAtMs = readInstant(reader);
    else if (tag === varintTag(3) && session.actionCount === undefined) session.actionCount = uint32(reader);
    else if (tag === bytesTag(4) && session.originIp === undefined) session.originIp = address(reader);
    else if (tag === bytesTag(5) && session.originGeo === undefined) session.originGeo = readGeo(reader);
    else if (tag === bytesTag(6) && session.originDevice === undefined) session.originDevice = readDevice(reader);
    else reader.stop();
  }
  reader.leave(outer);
  if (session.id === undefined) return missing(reader);
  session.actionCount ??= 0;
  if (session.startedAtMs === undefined) {
    session.startedAtMs = world.clock.nowMs();
    session.startAssumed = true;
  }
  return session as Session;
}

/** From 1970 on. */
function readInstant(reader: PlainReader): number {
  const outer = reader.enter();
  let seconds: number | undefined;
  let nanos: number | undefined;
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === varintTag(1) && seconds === undefined) seconds = reader.varint();
    else if (tag === varintTag(2) && nanos === undefined) nanos = reader.varint();
    else reader.stop();
  }
  reader.leave(outer);
  seconds ??= 0;
  nanos ??= 0;
  if (seconds > SECONDS_MAX || nanos > 999_999_999) return reader.stop();
  return seconds * 1000 + Math.floor(nanos / 1000) / 1000;
}

/** The end of the year 9999, as google.protobuf.Timestamp has it. */
const SECONDS_MAX = 253_402_300_799;

function readEnvironment(reader: PlainReader): Environment {
  const outer = reader.enter();
  const environment: Filling<Environment> = {};
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === bytesTag(1) && environment.ip === undefined) environment.ip = address(reader);
    else if (tag === bytesTag(2) && environment.geo === undefined) environment.geo = readGeo(reader);
    else if (tag === bytesTag(3) && environment.device === undefined) environment.device = readDevice(reader);
    else if (tag === bytesTag(4) && environment.userAgent === undefined) {
      environment.userAgent = some(reader, LIMITS.userAgentBytesMax);
    } else reader.stop();
  }
  reader.leave(outer);
  return environment as Environment;
}

function readGeo(reader: PlainReader): GeoLocation | undefined {
  const outer = reader.enter();
  const geo: Filling<GeoLocation> = {};
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === bytesTag(1) && geo.countryCode === undefined) geo.countryCode = name(reader, 1);
    else if (tag === bytesTag(2) && geo.region === undefined) geo.region = some(reader, LIMITS.nameBytesMax);
    else if (tag === bytesTag(3) && geo.city === undefined) geo.city = some(reader, LIMITS.nameBytesMax);
    else if (tag === doubleTag(4) && geo.latitude === undefined) geo.latitude = degrees(reader, 90);
    else if (tag === doubleTag(5) && geo.longitude === undefined) geo.longitude = degrees(reader, 180);
    else reader.stop();
  }
  reader.leave(outer);
  return geo.countryCode === undefined ? missing(reader) : (geo as GeoLocation);
}

function readDevice(reader: PlainReader): Device | undefined {
  const outer = reader.enter();
  const device: Filling<Device> = {};
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === bytesTag(1) && device.hash === undefined) device.hash = some(reader, LIMITS.nameBytesMax);
    else if (tag === bytesTag(2) && device.description === undefined) {
      device.description = some(reader, LIMITS.nameBytesMax);
    } else reader.stop();
  }
  reader.leave(outer);
  // A device of which nothing is said is no device.
  return device.hash === undefined && device.description === undefined ? missing(reader) : (device as Device);
}

function name(reader: PlainReader, bytesMin: 0 | 1): string {
  return reader.text(bytesMin, LIMITS.nameBytesMax);
}

/** A text that is there: writers leave out an empty one. */
function some(reader: PlainReader, bytesMax: number): string {
  return reader.text(1, bytesMax);
}

function address(reader: PlainReader): string {
  const text = some(reader, LIMITS.nameBytesMax);
  if (!isAddress(text)) reader.stop();
  return text;
}

function degrees(reader: PlainReader, max: number): number {
  const value = reader.double();
  return Math.abs(value) <= max ? value : reader.stop();
}

function uint32(reader: PlainReader): number {
  const value = reader.varint();
  return value <= 0xffff_ffff ? value : reader.stop();
}

function flag(reader: PlainReader): boolean {
  return reader.varint() !== 0;
}

function missing(reader: PlainReader): undefined {
  reader.stop();
  return undefined;
}
