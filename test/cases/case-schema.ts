/** What a file of decision cases may say. The JSON Schema that editors read is made from it. */
import { type ParamValue, PRINCIPAL_KINDS, REFUSE_CODES } from "@kavach/model";
import { z } from "zod";

/** Whose answer a case asks for. Every case runs on every door that can tell it apart; `doors` names fewer. */
export const DOORS = ["judge", "engine", "conductor", "gate", "redis", "grpc", "json"] as const;
export type Door = (typeof DOORS)[number];

const geo = z.strictObject({
  countryCode: z.string(),
  region: z.string().optional(),
  city: z.string().optional(),
  latitude: z.number().optional(),
  longitude: z.number().optional(),
});
const device = z.strictObject({ hash: z.string().optional(), description: z.string().optional() });

/** The flat form of a call, as SDK users write it. What it says may break the input limits: that is a case too. */
const ask = z
  .strictObject({
    principalId: z.string(),
    principalKind: z.union([z.enum(PRINCIPAL_KINDS), z.string()]),
    actionName: z.string(),
    roles: z.array(z.string()),
    resource: z.string(),
    // Not a record: zod would drop a param named __proto__.
    params: z.custom<Readonly<Record<string, ParamValue>>>((value) => typeof value === "object" && value !== null),
    ip: z.string(),
    originIp: z.string(),
    sessionId: z.string(),
    /** Seconds before the call. Sessions start relative to the call, so that every clock may judge them. */
    sessionAgeSeconds: z.number(),
    actionCount: z.number(),
    currentGeo: geo,
    originGeo: geo,
    device,
    originDevice: device,
    userAgent: z.string(),
  })
  .partial();

export type Ask = z.output<typeof ask>;

const repeated = z.strictObject({ text: z.string(), times: z.int() });
/** Long values, spelt short: `fill: { params.x: { text: "a", times: 4097 } }`. */
const fill = z.strictObject({
  principalId: repeated.optional(),
  actionName: repeated.optional(),
  resource: repeated.optional(),
  sessionId: repeated.optional(),
  userAgent: repeated.optional(),
  /** One string param of that name for each entry. */
  params: z.record(z.string(), repeated).optional(),
  /** So many different ones. */
  roles: z.int().optional(),
  paramCount: z.int().optional(),
  /** So many string params of 4,096 bytes each. */
  fullParams: z.int().optional(),
});

const target = z.union([
  z.strictObject({ session: z.string(), of: z.string() }),
  z.strictObject({ principal: z.string() }),
  z.strictObject({ role: z.string() }),
  z.strictObject({ realm: z.literal("all") }),
]);

const expectation = z.union([
  z.literal("permit"),
  /** The policy that permits. */
  z.strictObject({ permit: z.string() }),
  z.strictObject({ refuse: z.literal("NO_POLICY_MATCH") }),
  /** By a policy; the reason follows from the rule. */
  z.strictObject({
    refuse: z.enum(["POLICY_DENIED", "RATE_LIMIT_EXCEEDED"]),
    by: z.string(),
    /** Exact where the clock stands still; elsewhere at most so much. */
    retryAfterSeconds: z.number().optional(),
  }),
  z.strictObject({ refuse: z.enum(REFUSE_CODES), evaluator: z.string(), reason: z.string() }),
  z.strictObject({ invalidate: z.string() }),
  /** Observe-only: what would have been answered. */
  z.strictObject({ observed: z.unknown() }),
  /** The field in its flat spelling. */
  z.strictObject({ inputError: z.string(), says: z.string().optional() }),
  z.strictObject({
    loadError: z.strictObject({
      path: z.string(),
      says: z.string(),
      key: z.string().optional(),
      policy: z.string().optional(),
      suggestion: z.string().optional(),
      line: z.int().optional(),
      column: z.int().optional(),
    }),
  }),
  z.strictObject({ optionError: z.strictObject({ path: z.string(), says: z.string() }) }),
]);

export type Expectation = z.output<typeof expectation>;

const given = {
  policies: z.array(z.unknown()).optional(),
  /** The whole source, where `policies` is not what it is about. */
  source: z.unknown().optional(),
  toml: z.string().optional(),
  json: z.string().optional(),
  options: z
    .strictObject({
      invariants: z.array(z.unknown()).optional(),
      drift: z.record(z.string(), z.unknown()).optional(),
      enableDrift: z.boolean().optional(),
      maxSessionActions: z.number().optional(),
      observeOnly: z.boolean().optional(),
    })
    .optional(),
  ask: ask.optional(),
  /** RFC 3339. The case then runs only where the clock can be set. */
  now: z.string().optional(),
};

export type CaseOptions = NonNullable<z.output<typeof given.options>>;

const oneCase = z.strictObject({
  name: z.string().min(1),
  ...given,
  fill: fill.optional(),
  /** Facts of `ask` that this case does without. */
  without: z.array(z.string()).optional(),
  realm: z.string().optional(),
  /** Invalidated before the call, in the case's realm. */
  revoked: z.array(target).optional(),
  /** Earlier calls, whose answers do not matter. */
  before: z
    .array(z.strictObject({ ask: ask.optional(), times: z.int().default(1), secondsAgo: z.number().optional() }))
    .optional(),
  doors: z.array(z.enum(DOORS)).optional(),
  expect: expectation,
});

export type CaseBody = z.output<typeof oneCase>;

export const caseFile = z.strictObject({
  /** The section of the contract that the cases are about. */
  about: z.string(),
  ...given,
  cases: z.array(oneCase).min(1),
});

export function caseJsonSchema(): Record<string, unknown> {
  return { title: "Kavach decision cases", ...z.toJSONSchema(caseFile, { io: "input", unrepresentable: "any" }) };
}
