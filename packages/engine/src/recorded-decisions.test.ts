/** The decisions that the published Python package recorded: what it answered we answer, to the letter, save what is listed as changed. */
import { readFileSync } from "node:fs";
import {
  type ActionContext,
  contextViolations,
  type Device,
  type GeoLocation,
  type PrincipalKind,
} from "@kavach/model";
import { expect, test } from "vitest";
import {
  compileGateRules,
  decide,
  type Facts,
  type GateRuleOptions,
  type GateRules,
  loadPolicySet,
  type Plan,
  type PolicySet,
  plan,
} from "./index.ts";

interface RecordedContext {
  readonly now: string;
  readonly principal_id: string;
  readonly principal_kind: string;
  readonly action_name: string;
  readonly roles?: readonly string[];
  readonly resource?: string;
  readonly params?: Readonly<Record<string, number | string | boolean>>;
  readonly ip?: string;
  readonly origin_ip?: string;
  readonly current_geo?: RecordedGeo;
  readonly origin_geo?: RecordedGeo;
  readonly device?: Device;
  readonly origin_device?: Device;
  /** RFC 3339, or Unix seconds. */
  readonly session_started_at?: string | number;
  readonly action_count?: number;
}

type RecordedGeo = Omit<GeoLocation, "countryCode"> & { readonly country_code: string };

interface Answer {
  readonly kind: string;
  readonly code: string | null;
  readonly evaluator: string | null;
  readonly reason: string | null;
}

interface Case {
  readonly id: string;
  readonly policy: unknown;
  readonly options: {
    readonly invariants?: readonly (readonly [string, string, number])[];
    readonly geo_drift_max_km?: number;
    readonly enable_drift?: boolean;
    readonly max_session_actions?: number;
    readonly observe_only?: boolean;
  };
  readonly context: RecordedContext;
  readonly before?: readonly RecordedContext[];
  readonly changed: string | null;
  readonly expected: Answer;
}

const folder = new URL("../../../test/vectors/kavach-python/", import.meta.url);

function readLines<T>(file: string): T[] {
  const lines = readFileSync(new URL(file, folder), "utf8").trim().split("\n");
  return lines.map((line) => JSON.parse(line) as T);
}

// Observing is the gate's business: the engine finds what it finds.
const cases = readLines<Case>("decisions.jsonl").filter((recorded) => recorded.options.observe_only !== true);
const kept = cases.filter((recorded) => recorded.changed === null);
const changed = cases.filter((recorded) => recorded.changed !== null);

test("the recording is complete", () => {
  expect([kept.length, changed.length]).toEqual([388, 51]);
});

test.each(kept.map((recorded) => [recorded.id, recorded] as const))("%s: the same answer", (_id, recorded) => {
  const answer = run(recorded);
  // The texts of load errors are our own.
  if (recorded.expected.kind.endsWith("_error")) expect(answer.kind).toBe(recorded.expected.kind);
  else expect(answer).toEqual(recorded.expected);
});

/** What we answer where the package's answer was changed on purpose. */
const OURS: Readonly<Record<string, readonly string[]>> = {
  load_error: [
    ...["load-045", "load-048", "load-051", "session_age_max-028", "session_age_max-031", "session_age_max-034"],
    ...[
      "session_age_max-037",
      "session_age_max-040",
      "session_age_max-043",
      "session_age_max-046",
      "session_age_max-049",
    ],
    ...[
      "time_window-062",
      "time_window-065",
      "time_window-071",
      "time_window-074",
      "time_window-077",
      "time_window-080",
    ],
    ...["time_window-083", "time_window-086", "rate_limit-039", "rate_limit-045", "rate_limit-048"],
    ...["drift-geo-tolerant-045", "invariants-036"],
  ],
  input_error: [
    ...["default-deny-013", "default-deny-016", "drift-behavior-026", "drift-geo-strict-016", "drift-geo-strict-019"],
    ...["drift-geo-strict-022", "drift-geo-strict-025"],
  ],
  permit: ["time_window-068", "rate_limit-021", "rate_limit-027", "rate_limit-033", "drift-device-007"],
  "NO_POLICY_MATCH policy: no policy permits 'act' for principal 'u1'": ["param_max-033"],
  "POLICY_DENIED policy: denied by policy 'r'": ["param-refuse-rule-004"],
  "RATE_LIMIT_EXCEEDED policy: rate limit of policy 'p' exceeded": [
    ...["rate_limit-003", "rate_limit-009", "rate_limit-012", "rate_limit-024", "rate_limit-030", "rate_limit-042"],
  ],
  "INVARIANT_VIOLATION invariants: invariant 'cap' violated: parameter 'x' must be at most 1": [
    "invariants-024",
    "invariants-027",
  ],
  "INVARIANT_VIOLATION invariants: invariant 'cap' violated: parameter 'x' must be at most 0.0000001": [
    "invariants-018",
  ],
  [`INVARIANT_VIOLATION invariants: invariant 'cap' violated: parameter 'x' must be at most 1${"0".repeat(300)}`]: [
    "invariants-021",
  ],
  "invalidate drift: IP changed mid-session: 10.0.0.2 → 10.0.0.1": ["drift-geo-strict-013"],
  "invalidate drift: IP changed mid-session and moved 14.0km (> 0.3km threshold): 2.2.2.2 → 1.1.1.1 (current geo: US/Newark)":
    ["drift-geo-tolerant-039"],
  "invalidate drift: IP changed mid-session and moved 14.0km (> 2.3km threshold): 2.2.2.2 → 1.1.1.1 (current geo: US/Newark)":
    ["drift-geo-tolerant-042"],
};

const ours = new Map(Object.entries(OURS).flatMap(([answer, ids]) => ids.map((id) => [id, answer] as const)));

test.each(changed.map((recorded) => [recorded.id, recorded] as const))("%s: changed on purpose", (id, recorded) => {
  const { kind, code, evaluator, reason } = run(recorded);
  expect(evaluator === null ? kind : `${code ?? kind} ${evaluator}: ${reason}`).toBe(ours.get(id));
});

function run(recorded: Case): Answer {
  const loaded = load(recorded);
  if (loaded === undefined) return { kind: "load_error", code: null, evaluator: null, reason: null };
  const counter = new Counter();
  for (const earlier of recorded.before ?? []) judge(loaded.set, loaded.rules, counter, earlier);
  return judge(loaded.set, loaded.rules, counter, recorded.context);
}

function load({ policy, options }: Case): { readonly set: PolicySet; readonly rules: GateRules } | undefined {
  const ruleOptions: GateRuleOptions = {
    ...(options.invariants !== undefined && { invariants: options.invariants }),
    ...(options.geo_drift_max_km !== undefined && { drift: { geoMaxKm: options.geo_drift_max_km } }),
    ...(options.enable_drift !== undefined && { enableDrift: options.enable_drift }),
    ...(options.max_session_actions !== undefined && { maxSessionActions: options.max_session_actions }),
  };
  try {
    const set = loadPolicySet({ format: "object", value: policy }, (bytes) => bytes.slice(0, 32));
    return { set, rules: compileGateRules(ruleOptions) };
  } catch (error) {
    const { name } = error as Error;
    if (name === "PolicyError" || name === "GateOptionError") return undefined;
    throw error;
  }
}

function judge(set: PolicySet, rules: GateRules, counter: Counter, recorded: RecordedContext): Answer {
  const nowMs = Date.parse(recorded.now);
  const context = contextOf(recorded, nowMs);
  const [violation] = contextViolations(context, "context");
  if (violation !== undefined) return { kind: "input_error", code: null, evaluator: null, reason: null };
  const planned = plan(set, context, nowMs, { storedSession: false });
  const finding =
    planned.kind === "finding"
      ? planned.finding
      : decide(set, rules, context, planned, counter.admit(context, planned, nowMs));
  if (finding.kind === "pass") return { kind: "permit", code: null, evaluator: null, reason: null };
  if (finding.kind === "invalidate") return { kind: "invalidate", code: null, ...pick(finding.scope) };
  return { kind: "refuse", code: finding.code, ...pick(finding) };
}

function pick({ evaluator, reason }: { readonly evaluator: string; readonly reason: string }) {
  return { evaluator, reason };
}

/** The package always has a session; one whose start is not given starts now. */
function contextOf(recorded: RecordedContext, nowMs: number): ActionContext {
  const { ip, origin_ip, current_geo, origin_geo, device, origin_device, session_started_at: start } = recorded;
  return {
    principal: {
      id: recorded.principal_id,
      kind: recorded.principal_kind as PrincipalKind,
      roles: recorded.roles ?? [],
    },
    action: {
      name: recorded.action_name,
      params: new Map(Object.entries(recorded.params ?? {})),
      ...(recorded.resource !== undefined && { resource: recorded.resource }),
    },
    session: {
      id: "recorded",
      startedAtMs: typeof start === "number" ? start * 1000 : start === undefined ? nowMs : Date.parse(start),
      actionCount: recorded.action_count ?? 0,
      ...(origin_ip !== undefined && { originIp: origin_ip }),
      ...(origin_geo !== undefined && { originGeo: geoOf(origin_geo) }),
      ...(origin_device !== undefined && { originDevice: origin_device }),
    },
    environment: {
      ...(ip !== undefined && { ip }),
      ...(current_geo !== undefined && { geo: geoOf(current_geo) }),
      ...(device !== undefined && { device }),
    },
  };
}

function geoOf({ country_code, ...rest }: RecordedGeo): GeoLocation {
  return { countryCode: country_code, ...rest };
}

/** Sliding windows of admissions, as slow and plain as can be. */
class Counter {
  readonly #admissions: { readonly principalId: string; readonly actionName: string; readonly atMs: number }[] = [];

  admit(
    { principal, action, session }: ActionContext,
    planned: Extract<Plan, { kind: "candidates" }>,
    nowMs: number,
  ): Facts {
    const exceeded: { candidate: number; retryAfterMs: number }[] = [];
    for (const [candidate, { limits }] of planned.candidates.entries()) {
      const full = limits.find(({ max, windowMs }) => this.#count(principal.id, action.name, nowMs - windowMs) >= max);
      if (full !== undefined) {
        exceeded.push({ candidate, retryAfterMs: full.windowMs });
        continue;
      }
      if (limits.length > 0) this.#admissions.push({ principalId: principal.id, actionName: action.name, atMs: nowMs });
      return { nowMs, candidate, exceeded, ...(session !== undefined && { session }) };
    }
    return { nowMs, candidate: undefined, exceeded, ...(session !== undefined && { session }) };
  }

  #count(principalId: string, actionName: string, afterMs: number): number {
    const counted = this.#admissions.filter(
      (entry) => entry.principalId === principalId && entry.actionName === actionName,
    );
    return counted.filter((entry) => entry.atMs > afterMs).length;
  }
}
