/** The options of an embedded gate: one schema, every fault at once. An ignored option would be a silent downgrade. */
import type { AuditSink } from "@kavach/audit";
import { PqTokenSigner } from "@kavach/crypto";
import {
  compileGateRules,
  type DriftOptions,
  GateOptionError,
  type GateRuleOptions,
  type GateRules,
  type InvariantOption,
  type OptionFault,
  optionFaults,
} from "@kavach/engine";
import type { SingleUse } from "@kavach/model";
import { DEFAULT_REALM, LIMITS, measureText } from "@kavach/model";
import type { InvalidationBroadcaster, RateLimitStore, RevocationLog, SessionStore, Store } from "@kavach/store";
import { z } from "zod";
import type { CustomEvaluator } from "./evaluators.ts";
import type { PermitSealer } from "./parts.ts";
import { InMemorySessionStore } from "./session-store.ts";

export interface GateOptions {
  /** What no policy can lift. `[name, field, max]` is short for a `param_max`. Names are unique. */
  readonly invariants?: readonly InvariantOption[] | undefined;
  /** True: nothing is blocked, the true verdict travels in `observed`. Default false. */
  readonly observeOnly?: boolean | undefined;
  /** Adds an invariant: at most so many actions in one session. Whole number >= 0. */
  readonly maxSessionActions?: number | undefined;
  /** Default true. */
  readonly enableDrift?: boolean | undefined;
  /** Kilometres that a session's address may move; finite and >= 0. Absent: a changed address is a violation. */
  readonly geoDriftMaxKm?: number | undefined;
  /** The other thresholds of drift. */
  readonly drift?: Omit<DriftOptions, "geoMaxKm"> | undefined;
  /** Signs every permit: a `PermitSigner` in format 2, a `PqTokenSigner` in format 1. Absent: permits carry no token. */
  readonly tokenSigner?: PermitSealer | PqTokenSigner | undefined;
  /** The whole of the shared state. Default: this process's memory. */
  readonly store?: Store | undefined;
  /** Limits, apart from the store. */
  readonly rateStore?: RateLimitStore | undefined;
  /** Sessions, apart from the store. With it a session's facts are those of its first use, not what later calls say. */
  readonly sessionStore?: SessionStore | undefined;
  /** Tells every invalidate verdict to the gates that share it, and honours theirs. */
  readonly broadcaster?: InvalidationBroadcaster | undefined;
  /** 1 to 256 bytes. Default `default`. */
  readonly realm?: string | undefined;
  /** Where every verdict is written. `required`: what cannot be recorded is not permitted. Default `best_effort`. */
  readonly audit?: { readonly sink: AuditSink; readonly mode?: "best_effort" | "required" | undefined } | undefined;
  /** 1 to 300, fractions allowed. Default 30. */
  readonly permitTtlSeconds?: number | undefined;
  /** Which permits can be redeemed only once. Default `on_request`. */
  readonly singleUse?: SingleUse | undefined;
  /** Asked after the invariants, in this order. */
  readonly evaluators?: readonly CustomEvaluator[] | undefined;
  /** Unix milliseconds, fractions allowed. Only where all state is in this process's memory; a shared store has its own clock. */
  readonly clock?: (() => number) | undefined;
  /** Told of what must not fail a verdict, such as an audit write in best effort. Default: a line on stderr. */
  readonly onError?: ((error: unknown, what: string) => void) | undefined;
}

/** Options, complete. */
export interface CheckedGateOptions extends Pick<GateOptions, "store" | "rateStore" | "sessionStore" | "broadcaster"> {
  readonly rules: GateRules;
  readonly observeOnly: boolean;
  readonly tokenSigner: PermitSealer | PqTokenSigner | undefined;
  readonly realm: string;
  readonly audit: { readonly sink: AuditSink | undefined; readonly mode: "best_effort" | "required" };
  readonly permitTtlMs: number;
  readonly singleUse: SingleUse;
  readonly evaluators: readonly CustomEvaluator[];
  readonly clock: (() => number) | undefined;
  readonly onError: (error: unknown, what: string) => void;
}

/** An object that can do what a port asks. */
function port<T>(what: string, ...methods: readonly string[]) {
  const fits = (value: unknown) =>
    value !== null &&
    typeof value === "object" &&
    methods.every((name) => typeof (value as Record<string, unknown>)[name] === "function");
  return z.custom<T>(fits, { error: `must be ${what}` });
}

const name = z.string().superRefine((value, context) => {
  const { bytes, control, wellFormed } = measureText(value);
  if (bytes >= 1 && bytes <= LIMITS.nameBytesMax && !control && wellFormed) return;
  context.addIssue({ code: "custom", message: `must be 1 to ${LIMITS.nameBytesMax} bytes without control characters` });
});

/** Names that findings of the gate itself carry. */
const TAKEN_NAMES: ReadonlySet<string> = new Set(["policy", "drift", "invariants", "gate", "freshness"]);

const evaluators = z
  .array(port<CustomEvaluator>("an evaluator: { name, evaluate }", "evaluate"))
  .superRefine((list, context) => {
    const seen = new Set(TAKEN_NAMES);
    for (const [index, evaluator] of list.entries()) {
      const fail = (message: string) => context.addIssue({ code: "custom", path: [index, "name"], message });
      const parsed = name.safeParse(evaluator?.name);
      if (!parsed.success) fail(`must be 1 to ${LIMITS.nameBytesMax} bytes without control characters`);
      else if (seen.has(parsed.data)) fail(`name '${parsed.data}' is taken`);
      else seen.add(parsed.data);
    }
  });

const STORE_METHODS = ["admit", "redeem", "openSession", "getSession", "listSessions", "closeSession"] as const;
const [, , ...SESSION_METHODS] = STORE_METHODS;

const signer = z.custom<PermitSealer | PqTokenSigner>(
  (value) => value instanceof PqTokenSigner || typeof (value as Partial<PermitSealer> | null)?.seal === "function",
  { error: "must be a PermitSigner or a PqTokenSigner" },
);

const LOG_METHODS = ["open", "append", "head", "read", "watch"] as const;

const broadcaster = port<InvalidationBroadcaster>("a broadcaster", "publish").refine(
  ({ log, local }) => port<RevocationLog>("", ...LOG_METHODS).safeParse(log).success && typeof local === "boolean",
  { error: "must be a broadcaster" },
);

const own = z.strictObject({
  observeOnly: z.boolean().default(false),
  tokenSigner: signer.optional(),
  store: port<Store>("a store", ...STORE_METHODS).optional(),
  rateStore: port<RateLimitStore>("a store of limits", "admit").optional(),
  sessionStore: port<SessionStore>("a store of sessions", "admit", ...SESSION_METHODS).optional(),
  broadcaster: broadcaster.optional(),
  realm: name.default(DEFAULT_REALM),
  audit: z
    .strictObject({
      sink: port<AuditSink>("an audit sink", "append"),
      mode: z.enum(["best_effort", "required"]).default("best_effort"),
    })
    .optional(),
  permitTtlSeconds: z
    .number()
    .min(LIMITS.permitTtlMsMin / 1000)
    .max(LIMITS.permitTtlMsMax / 1000)
    .default(LIMITS.permitTtlMsDefault / 1000),
  singleUse: z.enum(["on_request", "when_limited", "always"]).default("on_request"),
  evaluators: evaluators.default([]),
  clock: z.custom<() => number>((value) => typeof value === "function", { error: "must be a function" }).optional(),
  onError: z
    .custom<GateOptions["onError"]>((value) => typeof value === "function", { error: "must be a function" })
    .optional(),
});

const RULE_KEYS = ["invariants", "drift", "maxSessionActions", "enableDrift"] as const;
const KEYS = [...Object.keys(own.shape), ...RULE_KEYS, "geoDriftMaxKm"];

/** Throws `GateOptionError` with every fault. */
export function checkGateOptions(options: GateOptions): CheckedGateOptions {
  if (options === null || typeof options !== "object" || Array.isArray(options)) {
    throw new GateOptionError([{ path: "", message: "must be an object" }]);
  }
  const faults: OptionFault[] = [];
  const ruled: Record<string, unknown> = {};
  const rest: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(options)) {
    if (key === "geoDriftMaxKm") continue;
    if ((RULE_KEYS as readonly string[]).includes(key)) {
      if (value !== undefined) ruled[key] = value;
    } else rest[key] = value;
  }
  const parsed = own.safeParse(rest);
  if (!parsed.success) {
    faults.push(...optionFaults(parsed.error.issues, rest, (path) => (path.length === 0 ? KEYS : ["sink", "mode"])));
  }
  faults.push(...conflicts(options));
  const rules = rulesOf(ruled, options.geoDriftMaxKm, faults);
  if (!parsed.success || rules === undefined || faults.length > 0) throw new GateOptionError(faults);
  const { audit, permitTtlSeconds, onError = printError, ...checked } = parsed.data;
  return {
    ...checked,
    rules,
    audit: audit ?? { sink: undefined, mode: "best_effort" },
    permitTtlMs: Math.round(permitTtlSeconds * 1000),
    tokenSigner: checked.tokenSigner,
    clock: checked.clock,
    onError,
  };
}

/** Each option alone is right, together they are not. */
function conflicts(options: GateOptions): OptionFault[] {
  const faults: OptionFault[] = [];
  if (options.clock !== undefined) {
    const shared = (["store", "rateStore"] as const).filter((key) => options[key] !== undefined);
    const { sessionStore } = options;
    if (sessionStore !== undefined && !(sessionStore instanceof InMemorySessionStore))
      faults.push(sharedClock("sessionStore"));
    if (options.broadcaster?.local === false) faults.push(sharedClock("broadcaster"));
    faults.push(...shared.map(sharedClock));
  }
  if (options.tokenSigner instanceof PqTokenSigner && options.singleUse !== undefined) {
    if (options.singleUse === "on_request") return faults;
    const message = "a PqTokenSigner issues format 1, which has no permits for one use";
    faults.push({ path: "singleUse", key: "singleUse", message });
  }
  return faults;
}

function sharedClock(key: string): OptionFault {
  return { path: "clock", key: "clock", message: `goes with state in memory only, not with '${key}'` };
}

function rulesOf(ruled: Record<string, unknown>, geoDriftMaxKm: unknown, faults: OptionFault[]): GateRules | undefined {
  const drift = ruled.drift;
  const isOpen = drift === undefined || (drift !== null && typeof drift === "object" && !Array.isArray(drift));
  if (isOpen && drift !== undefined && Object.hasOwn(drift, "geoMaxKm")) {
    faults.push({
      path: "drift.geoMaxKm",
      key: "geoMaxKm",
      message: "unknown key 'geoMaxKm'",
      suggestion: "geoDriftMaxKm",
    });
  }
  try {
    const complete = isOpen && geoDriftMaxKm !== undefined ? { ...drift, geoMaxKm: geoDriftMaxKm } : drift;
    return compileGateRules({ ...ruled, ...(complete !== undefined && { drift: complete }) } as GateRuleOptions);
  } catch (error) {
    if (!(error instanceof GateOptionError)) throw error;
    faults.push(...error.faults.map(spellGeo));
    return undefined;
  }
}

/** The engine knows the distance as one of the drift thresholds. */
function spellGeo(fault: OptionFault): OptionFault {
  return fault.path === "drift.geoMaxKm" ? { ...fault, path: "geoDriftMaxKm", key: "geoDriftMaxKm" } : fault;
}

function printError(error: unknown, what: string): void {
  console.error(`kavach: ${what}:`, error);
}
