/** Checks an action context against the input limits, at whichever door it came in. Breaches are input errors, not verdicts. */
import { type FieldViolation, InputError } from "./errors.ts";
import { LIMITS } from "./limits.ts";
import { isAddress } from "./net-address.ts";
import { type ActionContext, type Device, type GeoLocation, type Params, PRINCIPAL_KINDS } from "./nouns.ts";
import { measureText } from "./text-measure.ts";

/** Spells a path of the model (`session.startedAtMs`) as the caller knows it (`context.session.started_at`). */
export type PathSpelling = (path: string) => string;

/** Throws `InputError` with every violation at once; returns the context otherwise. */
export function requireContext(context: ActionContext, spelling: string | PathSpelling): ActionContext {
  const violations = contextViolations(context, spelling);
  if (violations.length > 0) throw new InputError(violations);
  return context;
}

/**
 * Every breach of the limits in `context`. `spelling` is a prefix for the model's own paths, or a function that spells a
 * path as the caller does. Values are judged as they are at run time: types do not protect a JavaScript caller.
 */
export function contextViolations(context: ActionContext, spelling: string | PathSpelling): FieldViolation[] {
  const spell =
    typeof spelling === "function" ? spelling : (path: string) => (path === "" ? spelling : `${spelling}.${path}`);
  const check = new Check(spell);
  const { principal, action, session, environment } = context;
  check.text("principal.id", principal.id, 1, LIMITS.nameBytesMax);
  if (!PRINCIPAL_KINDS.includes(principal.kind))
    check.fail("principal.kind", `must be one of ${PRINCIPAL_KINDS.join(", ")}`);
  checkRoles(check, principal.roles);
  check.text("action.name", action.name, 1, LIMITS.nameBytesMax);
  if (action.resource !== undefined) check.text("action.resource", action.resource, 1, LIMITS.resourceBytesMax);
  checkParams(check, action.params);
  if (session !== undefined) {
    check.text("session.id", session.id, 1, LIMITS.nameBytesMax);
    check.finite("session.startedAtMs", session.startedAtMs, -INSTANT_MS_MAX, INSTANT_MS_MAX);
    if (!Number.isSafeInteger(session.actionCount) || session.actionCount < 0) {
      check.fail("session.actionCount", "must be a whole number from 0 to 9007199254740991");
    }
    if (session.invalidated !== undefined && typeof session.invalidated !== "boolean") {
      check.fail("session.invalidated", "must be a boolean");
    }
    checkPlace(check, "session.origin", session.originIp, session.originGeo, session.originDevice);
  }
  checkPlace(check, "environment.", environment.ip, environment.geo, environment.device);
  if (environment.userAgent !== undefined)
    check.text("environment.userAgent", environment.userAgent, 0, LIMITS.userAgentBytesMax);
  check.total();
  return check.violations;
}

/** The widest instant that a date can carry (ECMA-262, time values). */
const INSTANT_MS_MAX = 8.64e15;

class Check {
  readonly violations: FieldViolation[] = [];
  readonly #spell: PathSpelling;
  #bytes = 0;

  constructor(spell: PathSpelling) {
    this.#spell = spell;
  }

  fail(path: string, reason: string): void {
    this.violations.push({ field: this.#spell(path), reason });
  }

  text(path: string, value: unknown, bytesMin: number, bytesMax: number): void {
    if (typeof value !== "string") {
      this.fail(path, "must be a string");
      return;
    }
    const { bytes, control, wellFormed } = measureText(value);
    this.#bytes += bytes;
    if (bytes < bytesMin) this.fail(path, `must not be empty`);
    if (bytes > bytesMax) this.fail(path, `must be at most ${bytesMax} bytes, is ${bytes}`);
    if (control) this.fail(path, "must not contain control characters");
    if (!wellFormed) this.fail(path, "must be well-formed Unicode");
  }

  finite(path: string, value: unknown, min: number, max: number): void {
    this.#bytes += 8;
    if (typeof value !== "number" || !Number.isFinite(value)) this.fail(path, "must be a finite number");
    else if (value < min || value > max) this.fail(path, `must be from ${min} to ${max}`);
  }

  total(): void {
    if (this.#bytes > LIMITS.requestBytesMax) this.fail("", `must be at most ${LIMITS.requestBytesMax} bytes in all`);
  }
}

function checkRoles(check: Check, roles: readonly string[]): void {
  if (!Array.isArray(roles)) {
    check.fail("principal.roles", "must be a list of strings");
    return;
  }
  if (roles.length > LIMITS.rolesMax) {
    check.fail("principal.roles", `must be at most ${LIMITS.rolesMax}, are ${roles.length}`);
    return;
  }
  for (let i = 0; i < roles.length; i++) check.text(`principal.roles[${i}]`, roles[i], 1, LIMITS.nameBytesMax);
}

function checkParams(check: Check, params: Params): void {
  if (!(params instanceof Map)) {
    check.fail("action.params", "must be a map");
    return;
  }
  if (params.size > LIMITS.paramsMax) {
    check.fail("action.params", `must be at most ${LIMITS.paramsMax}, are ${params.size}`);
    return;
  }
  for (const [name, value] of params as ReadonlyMap<unknown, unknown>) {
    const path = `action.params[${JSON.stringify(name)}]`;
    check.text(path, name, 1, LIMITS.nameBytesMax);
    if (typeof value === "string") check.text(path, value, 0, LIMITS.stringParamBytesMax);
    else if (typeof value === "number") check.finite(path, value, -Infinity, Infinity);
    else if (typeof value !== "boolean") check.fail(path, "must be a number, a string or a boolean");
  }
}

/** `stem` is `environment.` or `session.origin`: the same three facts, now and at the session's start. */
function checkPlace(check: Check, stem: string, ip?: string, geo?: GeoLocation, device?: Device): void {
  const path = (noun: string) => (stem.endsWith(".") ? stem + noun : stem + noun[0]?.toUpperCase() + noun.slice(1));
  if (ip !== undefined) {
    if (typeof ip !== "string" || !isAddress(ip)) check.fail(path("ip"), "must be an IPv4 or IPv6 address");
  }
  if (geo !== undefined) {
    const at = path("geo");
    check.text(`${at}.countryCode`, geo.countryCode, 1, LIMITS.nameBytesMax);
    if (geo.region !== undefined) check.text(`${at}.region`, geo.region, 0, LIMITS.nameBytesMax);
    if (geo.city !== undefined) check.text(`${at}.city`, geo.city, 0, LIMITS.nameBytesMax);
    if (geo.latitude !== undefined) check.finite(`${at}.latitude`, geo.latitude, -90, 90);
    if (geo.longitude !== undefined) check.finite(`${at}.longitude`, geo.longitude, -180, 180);
  }
  if (device !== undefined) {
    const at = path("device");
    if (device.hash !== undefined) check.text(`${at}.hash`, device.hash, 0, LIMITS.nameBytesMax);
    if (device.description !== undefined) check.text(`${at}.description`, device.description, 0, LIMITS.nameBytesMax);
  }
}
