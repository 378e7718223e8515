/** The action context between wire and model. Reading it checks every input limit, those that proto rules cannot say included. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import type { Value } from "@bufbuild/protobuf/wkt";
import {
  ActionContextSchema,
  type Action as WireAction,
  type ActionContext as WireContext,
  type Environment as WireEnvironment,
  type Principal as WirePrincipal,
} from "@kavach/api";
import {
  type Action,
  type ActionContext,
  type Environment,
  type FieldViolation,
  InputError,
  type ParamValue,
  type Principal,
  requireContext,
} from "@kavach/model";
import { principalKindFromWire, principalKindToWire } from "./codes.ts";
import { deviceFromWire, geoFromWire } from "./place.ts";
import { sessionFromWire, sessionToWire } from "./session.ts";
import { below, refuseField } from "./violation.ts";

/**
 * The model's context, checked against every limit of the input. `path` is where the message stands in its request, such
 * as `context` or `items[3].context`; `nowMs` is the start of a session whose start is not given. Throws `InputError`.
 */
export function contextFromWire(context: WireContext, path: string, nowMs: number): ActionContext {
  const { principal, action, session, environment } = context;
  if (principal === undefined) refuseField(below(path, "principal"), "is required");
  if (action === undefined) refuseField(below(path, "action"), "is required");
  return requireContext(
    {
      principal: principalFromWire(principal, below(path, "principal")),
      action: actionFromWire(action, below(path, "action")),
      ...(session !== undefined && { session: sessionFromWire(session, below(path, "session"), nowMs) }),
      environment: environment === undefined ? {} : environmentFromWire(environment),
    },
    (modelPath) => below(path, spellForWire(modelPath)),
  );
}

export function contextToWire(context: ActionContext): WireContext {
  const { principal, action, session, environment } = context;
  return create(ActionContextSchema, {
    principal: { id: principal.id, kind: principalKindToWire(principal.kind), roles: [...principal.roles] },
    action: actionToWire(action),
    ...(session !== undefined && { session: sessionToWire(session) }),
    environment,
  });
}

/** The limits are not checked here. */
export function principalFromWire(principal: WirePrincipal, path: string): Principal {
  return { id: principal.id, kind: principalKindFromWire(principal.kind, below(path, "kind")), roles: principal.roles };
}

/** Throws `InputError` for a param that is no number, string or boolean. Other limits are not checked here. */
export function actionFromWire(action: WireAction, path: string): Action {
  const params = new Map<string, ParamValue>();
  const violations: FieldViolation[] = [];
  for (const [name, value] of Object.entries(action.params)) {
    const param = paramFromWire(value);
    if (param !== undefined) params.set(name, param);
    else {
      const field = below(path, `params[${JSON.stringify(name)}]`);
      violations.push({ field, reason: "must be a number, a string or a boolean" });
    }
  }
  if (violations.length > 0) throw new InputError(violations);
  return { name: action.name, ...(action.resource !== "" && { resource: action.resource }), params };
}

export function actionToWire(action: Action): MessageInitShape<typeof ActionContextSchema>["action"] & {} {
  return {
    name: action.name,
    ...(action.resource !== undefined && { resource: action.resource }),
    // fromEntries defines own properties, so that `__proto__` is an ordinary name here too.
    params: Object.fromEntries([...action.params].map(([name, value]) => [name, paramToWire(value)])),
  };
}

/** Empty text is an absent fact. The limits are not checked here. */
export function environmentFromWire(environment: WireEnvironment): Environment {
  const { ip, geo, device, userAgent } = environment;
  const deviceFacts = device === undefined ? undefined : deviceFromWire(device);
  return {
    ...(ip !== "" && { ip }),
    ...(geo !== undefined && { geo: geoFromWire(geo) }),
    ...(deviceFacts !== undefined && { device: deviceFacts }),
    ...(userAgent !== "" && { userAgent }),
  };
}

function paramFromWire(value: Value): ParamValue | undefined {
  const { kind } = value;
  return kind.case === "numberValue" || kind.case === "stringValue" || kind.case === "boolValue"
    ? kind.value
    : undefined;
}

function paramToWire(value: ParamValue): { kind: Value["kind"] } {
  if (typeof value === "number") return { kind: { case: "numberValue", value } };
  if (typeof value === "string") return { kind: { case: "stringValue", value } };
  return { kind: { case: "boolValue", value } };
}

/** `session.startedAtMs` is `session.started_at` on the wire. Names in brackets are the caller's and stay as they are. */
function spellForWire(modelPath: string): string {
  const bracket = modelPath.indexOf("[");
  const names = bracket < 0 ? modelPath : modelPath.slice(0, bracket);
  const rest = bracket < 0 ? "" : modelPath.slice(bracket);
  const snake = names.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`).replace(/_ms$/, "");
  return snake.replace(/^session\.id$/, "session.session_id") + rest;
}
