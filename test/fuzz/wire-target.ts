/** The readers of requests, from the wire and from SDK users: whatever comes, they say what is wrong or read a context within every limit. */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { type EvaluateRequest, EvaluateRequestSchema } from "@kavach/api";
import { loadPolicySet } from "@kavach/engine";
import { type ActionContext, type ContextInput, contextFromInput } from "@kavach/model";
import { contextFromWire, contextToWire } from "@kavach/wire";
import { readCaseFiles } from "../cases/case-files.ts";
import { inputOf } from "../cases/contexts.ts";
import { requestOf } from "../cases/wire-door.ts";
import type { ReferenceSource } from "../reference/source.ts";
import { isPermitted } from "./judged.ts";
import { mutatedValue } from "./mutate-value.ts";
import type { FuzzTarget, Reached } from "./run.ts";

const NOW_MS = Date.UTC(2026, 5, 15, 12);

const source: ReferenceSource = {
  policies: [
    { name: "no-secrets", effect: "refuse", conditions: [{ resource: "secret*" }] },
    { name: "no-large", effect: "refuse", conditions: [{ param_min: { field: "x", min: 10 } }] },
    { name: "users", effect: "permit", conditions: [{ identity_kind: "user" }, { action: "*" }] },
  ],
};
const set = loadPolicySet({ format: "object", value: source }, (bytes) => bytes.slice(0, 32));

/** The end of every reading: within the limits, and judged as the judge does. */
function judged(context: ActionContext): Reached {
  requireLimits(context);
  return isPermitted(set, source, context) ? "permitted" : "accepted";
}

function takeMessage(input: Uint8Array<ArrayBuffer>): Reached {
  let request: EvaluateRequest;
  try {
    request = fromBinary(EvaluateRequestSchema, input);
  } catch (error) {
    // Whatever the decoder says of bytes that are no message; that it runs out of stack is no such word.
    if (error instanceof Error && !/call stack/.test(error.message)) return "refused";
    throw error;
  }
  if (request.context === undefined) return "refused";
  let context: ActionContext;
  try {
    context = contextFromWire(request.context, "context", NOW_MS);
  } catch (error) {
    if ((error as Error).name === "InputError") return "refused";
    throw error;
  }
  // What was read can be written, and read again.
  contextFromWire(contextToWire(context), "context", NOW_MS);
  return judged(context);
}

/** The flat context that SDK users write, from callers whose types were not checked. */
function takeInput(bytes: Uint8Array<ArrayBuffer>): Reached {
  let input: unknown;
  try {
    input = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return "refused";
  }
  try {
    return judged(contextFromInput(input as ContextInput, { nowMs: NOW_MS, unnamedSessionId: "unnamed" }));
  } catch (error) {
    if ((error as Error).name === "InputError") return "refused";
    throw error;
  }
}

/** The limits once more, as plainly as they can be said. */
function requireLimits({ principal, action, session, environment }: ActionContext): void {
  const names = [
    principal.id,
    action.name,
    ...principal.roles,
    ...action.params.keys(),
    ...(session ? [session.id] : []),
  ];
  for (const name of names) {
    const { length } = Buffer.from(name);
    if (length < 1 || length > 256 || /\p{Cc}/u.test(name)) throw new Error(`read a name of ${length} bytes`);
  }
  if (principal.roles.length > 64 || action.params.size > 64) throw new Error("read too many");
  for (const value of action.params.values()) {
    if (typeof value === "number" && !Number.isFinite(value)) throw new Error("read a number that is none");
    if (typeof value === "string" && Buffer.byteLength(value) > 4096) throw new Error("read a param that is too long");
  }
  if (!["user", "agent", "service", "scheduler", "external"].includes(principal.kind)) throw new Error("read no kind");
  for (const geo of [environment.geo, session?.originGeo]) {
    if (geo !== undefined && (geo.countryCode === "" || Math.abs(geo.latitude ?? 0) > 90))
      throw new Error("read no place");
  }
}

const cases = readCaseFiles().flatMap((file) => file.cases);
const encoder = new TextEncoder();

export const WIRE_DECODER: FuzzTarget = {
  name: "wire decoder",
  corpus: cases
    .filter(({ doors }) => doors.includes("grpc"))
    .map(({ ask, realm }) => create(EvaluateRequestSchema, requestOf(ask, realm, NOW_MS)))
    .map((request) => toBinary(EvaluateRequestSchema, request))
    // The few huge ones would take most of the time.
    .filter(({ length }) => length < 4096),
  tokens: ["\u0008", "\u0012", "\u001a", "\u0022", "u1", "__proto__", "10.0.0.1", "\u0000".repeat(4), "secret"],
  take: takeMessage,
};

const inputs = cases
  .filter(({ doors }) => doors.includes("gate"))
  .map(({ ask }) => inputOf(ask, NOW_MS))
  .filter((input) => JSON.stringify(input).length < 4096);

export const INPUT_READER: FuzzTarget = {
  name: "flat contexts",
  corpus: inputs.map((input) => encoder.encode(JSON.stringify(input))),
  tokens: ["principalId", "roles", "params", "__proto__", "null", "[]", "{}", '"', ",", ":", "1e999", "10.0.0.1"],
  draw: (dice) => encoder.encode(JSON.stringify(mutatedValue(dice, inputs)) ?? "null"),
  take: takeInput,
};
