/** The recorded decisions of a Python gate that only observes: the conductor permits what it permitted, and says what it found. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import type { Case } from "./case-files.ts";
import type { Ask } from "./case-schema.ts";
import { askConductor } from "./conductor-door.ts";

interface RecordedContext {
  readonly now: string;
  readonly principal_id: string;
  readonly principal_kind: string;
  readonly action_name: string;
  readonly ip?: string;
  readonly origin_ip?: string;
  readonly current_geo?: RecordedGeo;
  readonly origin_geo?: RecordedGeo;
  readonly session_started_at?: string;
  readonly action_count?: number;
}

interface RecordedGeo {
  readonly country_code: string;
  readonly city: string;
  readonly latitude: number;
  readonly longitude: number;
}

interface Recorded {
  readonly id: string;
  readonly policy: unknown;
  readonly options: { readonly observe_only?: boolean; readonly geo_drift_max_km?: number };
  readonly context: RecordedContext;
  readonly before?: readonly RecordedContext[];
  readonly expected: { readonly kind: string };
}

const text = readFileSync(new URL("../vectors/kavach-python/decisions.jsonl", import.meta.url), "utf8");
const observed = text
  .trim()
  .split("\n")
  .map((line) => JSON.parse(line) as Recorded)
  .filter(({ options }) => options.observe_only === true);

/** What the same gate would have answered if it enforced. */
const FOUND: Readonly<Record<string, object>> = {
  "rate_limit-051": { kind: "refuse", code: "RATE_LIMIT_EXCEEDED", reason: "rate limit of policy 'p' exceeded" },
  "drift-combined-018": { kind: "refuse", code: "NO_POLICY_MATCH", evaluator: "policy" },
  "drift-combined-021": {
    kind: "refuse",
    code: "DRIFT_DETECTED",
    reason: "3 concurrent drift warnings (threshold: 3)",
  },
};

test("the recording holds three of them", () => {
  expect(observed.map(({ id }) => id).sort()).toEqual(Object.keys(FOUND).sort());
});

test.each(observed.map((recorded) => [recorded.id, recorded] as const))("%s", async (id, recorded) => {
  const answer = await askConductor(caseOf(recorded));
  expect(answer.kind).toBe(recorded.expected.kind);
  expect(answer.observed).toMatchObject(FOUND[id] ?? {});
});

function caseOf({ id, policy, options, context, before = [] }: Recorded): Case {
  const maxKm = options.geo_drift_max_km;
  return {
    id,
    source: { format: "object", value: policy },
    options: { observeOnly: true, ...(maxKm !== undefined && { drift: { geoMaxKm: maxKm } }) },
    ask: askOf(context),
    before: before.map((earlier) => ({ ask: askOf(earlier), times: 1, secondsAgo: 0 })),
    revoked: [],
    realm: "default",
    nowMs: Date.parse(context.now),
    doors: ["conductor"],
    expect: "permit",
  };
}

function askOf(context: RecordedContext): Ask {
  const { ip, origin_ip, current_geo, origin_geo, session_started_at: started, action_count } = context;
  return {
    principalId: context.principal_id,
    principalKind: context.principal_kind,
    actionName: context.action_name,
    ...(ip !== undefined && { ip }),
    ...(origin_ip !== undefined && { originIp: origin_ip }),
    ...(current_geo !== undefined && { currentGeo: geoOf(current_geo) }),
    ...(origin_geo !== undefined && { originGeo: geoOf(origin_geo) }),
    ...(started !== undefined && { sessionAgeSeconds: (Date.parse(context.now) - Date.parse(started)) / 1000 }),
    ...(action_count !== undefined && { actionCount: action_count }),
  };
}

function geoOf({ country_code, ...rest }: RecordedGeo) {
  return { countryCode: country_code, ...rest };
}
