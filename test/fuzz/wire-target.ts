/** The decoder of requests: whatever the bytes, it says what is wrong or reads a context within every limit. */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { type EvaluateRequest, EvaluateRequestSchema } from "@kavach/api";
import { loadPolicySet } from "@kavach/engine";
import type { ActionContext } from "@kavach/model";
import { contextFromWire, contextToWire } from "@kavach/wire";
import { readCaseFiles } from "../cases/case-files.ts";
import { requestOf } from "../cases/wire-door.ts";
import type { ReferenceSource } from "../reference/source.ts";
import { isPermitted } from "./judged.ts";
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

function take(input: Uint8Array<ArrayBuffer>): Reached {
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
  requireLimits(context);
  // What was read is written and read again without loss.
  contextFromWire(contextToWire(context), "context", NOW_MS);
  return isPermitted(set, source, context) ? "permitted" : "accepted";
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

export const WIRE_DECODER: FuzzTarget = {
  name: "wire decoder",
  corpus: readCaseFiles()
    .flatMap(({ cases }) => cases)
    .filter(({ doors }) => doors.includes("grpc"))
    .map(({ ask, realm }) =>
      toBinary(EvaluateRequestSchema, create(EvaluateRequestSchema, requestOf(ask, realm, NOW_MS))),
    )
    // The few huge ones would take most of the time.
    .filter(({ length }) => length < 4096),
  tokens: [
    "\u0008",
    "\u0012",
    "\u001a",
    "\u0022",
    "u1",
    "__proto__",
    "10.0.0.1",
    "\u0000\u0000\u0000\u0000",
    "\u007f".repeat(10),
    "secret",
  ],
  take,
};
