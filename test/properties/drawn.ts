/** Policy sets, gate options and calls, drawn from few words, so that they meet often. */
import { type ActionContext, type GeoLocation, type ParamValue, PRINCIPAL_KINDS } from "@kavach/model";
import fc from "fast-check";
import type { ReferenceCondition, ReferenceInvariant, ReferenceOptions, ReferencePolicy } from "../reference/source.ts";

const words = ["a", "ab", "a.b", "b", "__proto__"] as const;
const word = fc.constantFrom(...words);
const pattern = fc.oneof(
  { weight: 3, arbitrary: word },
  { weight: 2, arbitrary: fc.constantFrom("*", "a*", "a.*", ".*", "b.*", "a*b", "constructor") },
);
const number = fc.constantFrom(-1, 0, -0, 0.5, 3, 1000, 1e21, 1e-7, 9007199254740992);
const duration = fc.constantFrom("30s", "1h", "05m", "3600", " 2d ", "1");
const zone = fc.constantFrom("", " UTC", " Asia/Kolkata", " America/New_York", " Australia/Lord_Howe");
const minute = fc.constantFrom("00:00", "09:00", "11:59", "12:00", "12:01", "23:59");
const window = fc
  .tuple(minute, fc.oneof(minute, fc.constant("24:00")), zone)
  .map(([from, to, at]) => `${from}-${to}${at}`);

const limit = fc.record(
  {
    max: fc.constantFrom(1, 2, 3),
    window: fc.constantFrom("1s", "30s", "1m", "1h", "30d"),
    count: fc.constantFrom("admissions", "attempts"),
  },
  { requiredKeys: ["max", "window"] },
);

function conditionOf(effect: "permit" | "refuse"): fc.Arbitrary<ReferenceCondition> {
  const conditions: fc.Arbitrary<ReferenceCondition>[] = [
    fc.constantFrom(...PRINCIPAL_KINDS).map((identity_kind) => ({ identity_kind })),
    word.map((identity_role) => ({ identity_role })),
    word.map((identity_id) => ({ identity_id })),
    pattern.map((action) => ({ action })),
    pattern.map((action) => ({ action })),
    pattern.map((resource) => ({ resource })),
    fc.tuple(word, number).map(([field, max]) => ({ param_max: { field, max } })),
    fc.tuple(word, number).map(([field, min]) => ({ param_min: { field, min } })),
    fc.tuple(word, fc.array(word, { maxLength: 3 })).map(([field, values]) => ({ param_in: { field, values } })),
    duration.map((session_age_max) => ({ session_age_max })),
    window.map((time_window) => ({ time_window })),
  ];
  // Twice: a limit shows only where the calls repeat.
  if (effect === "permit") conditions.push(...[limit, limit].map((one) => one.map((rate_limit) => ({ rate_limit }))));
  return fc.oneof(...conditions);
}

const drawnPolicy = fc.constantFrom("permit" as const, "permit" as const, "refuse" as const).chain((effect) =>
  fc.record(
    {
      effect: fc.constant(effect),
      conditions: fc.array(conditionOf(effect), { maxLength: 3 }),
      priority: fc.constantFrom(0, 99, 101, 4_294_967_295),
      description: word,
    },
    { requiredKeys: ["effect", "conditions"] },
  ),
);

export type DrawnPolicy = Omit<ReferencePolicy, "name">;
export const policy: fc.Arbitrary<DrawnPolicy> = drawnPolicy;

/** A permit that matches often, so that its limit fills. */
const limitedPolicy: fc.Arbitrary<DrawnPolicy> = fc
  .tuple(limit, fc.option(limit), fc.constantFrom("*", "*", "a*", "b"))
  .map(([first, second, action]) => ({
    effect: "permit",
    conditions: [first, ...(second === null ? [] : [second])]
      .map((rate_limit): ReferenceCondition => ({ rate_limit }))
      .concat({ action }),
  }));

export const policies: fc.Arbitrary<readonly DrawnPolicy[]> = fc.oneof(
  { weight: 2, arbitrary: fc.array(drawnPolicy, { maxLength: 6 }) },
  {
    weight: 1,
    arbitrary: fc.array(fc.oneof(limitedPolicy, limitedPolicy, drawnPolicy), { minLength: 1, maxLength: 3 }),
  },
);

/** Names are unique within a set. */
export function named(drawn: readonly DrawnPolicy[]): ReferencePolicy[] {
  return drawn.map((rest, i) => ({ name: `p${i}`, ...rest }));
}

const invariant: fc.Arbitrary<ReferenceInvariant> = fc
  .tuple(
    fc.oneof(
      fc.record({ kind: fc.constant("param_max"), field: word, max: number }),
      fc.record({ kind: fc.constant("param_max"), field: word, max: number, required: fc.boolean() }),
      fc.record({ kind: fc.constant("param_min"), field: word, min: number, required: fc.boolean() }),
      fc.record({ kind: fc.constant("max_actions_per_session"), max: fc.constantFrom(0, 30, 10_000) }),
      fc.record({ kind: fc.constant("max_session_age"), max: duration }),
      fc.record({ kind: fc.constantFrom("allowed_actions", "blocked_actions"), actions: fc.subarray([...words]) }),
    ),
    fc.nat(),
  )
  .map(([rest, n]) => ({ name: `i${n}`, ...rest }));

export const options: fc.Arbitrary<ReferenceOptions> = fc.record(
  {
    invariants: fc.uniqueArray(invariant, { maxLength: 2, selector: nameOf }),
    drift: fc.record(
      {
        geoMaxKm: fc.constantFrom(0, 300, 20_015),
        sessionAgeMaxSeconds: fc.constantFrom(0, 60, 14_401),
        sessionAgeWarningSeconds: fc.constantFrom(0, 30),
        actionRateMax: fc.constantFrom(0, 10),
        actionRateWarning: fc.constantFrom(0, 5.5),
        warningsToRefuse: fc.constantFrom(1, 2, 4),
      },
      { requiredKeys: [] },
    ),
    maxSessionActions: fc.constantFrom(0, 100),
    enableDrift: fc.boolean(),
  },
  { requiredKeys: [] },
);

function nameOf(one: ReferenceInvariant): string {
  return "name" in one ? one.name : one[0];
}

const param: fc.Arbitrary<ParamValue> = fc.oneof(number, number, word, fc.boolean());
const ip = fc.constantFrom("10.0.0.1", "::ffff:10.0.0.1", "10.0.0.2", "2001:db8:0:0::1", "2001:DB8::1", "::", "1::8");
const geo: fc.Arbitrary<GeoLocation> = fc.constantFrom(
  { countryCode: "IN", city: "Chennai", latitude: 13.08, longitude: 80.27 },
  { countryCode: "IN", city: "Bangalore", latitude: 12.97, longitude: 77.59 },
  { countryCode: "IN", latitude: -12.97, longitude: -102.41 },
  { countryCode: "US", city: "Newark" },
);
const device = fc.constantFrom({ hash: "h1" }, { hash: "h1", description: "d" }, { hash: "h2" }, { description: "d" });

const session = fc.record(
  {
    ageMs: fc.constantFrom(0, 999, 30_999, 31_000, 3_600_000, 10_800_000, 10_801_000, 14_401_000, -5_000),
    actionCount: fc.constantFrom(0, 30, 31, 101, 5581),
    originIp: ip,
    originGeo: geo,
    originDevice: device,
  },
  { requiredKeys: ["ageMs", "actionCount"] },
);

/** What is asked, at whichever instant. */
export type Call = (nowMs: number) => ActionContext;

export const call: fc.Arbitrary<Call> = fc
  .record({
    principal: fc.record({
      id: word,
      kind: fc.constantFrom(...PRINCIPAL_KINDS),
      roles: fc.array(word, { maxLength: 2 }),
    }),
    action: fc.record(
      { name: word, resource: word, params: fc.array(fc.tuple(word, param), { maxLength: 2 }) },
      { requiredKeys: ["name", "params"] },
    ),
    environment: fc.record({ ip, geo, device }, { requiredKeys: [] }),
    session: fc.option(session, { nil: undefined, freq: 3 }),
  })
  .map(({ action, session: facts, ...rest }) => (nowMs) => ({
    ...rest,
    action: { ...action, params: new Map(action.params) },
    ...(facts !== undefined && { session: sessionAt(facts, nowMs) }),
  }));

/** Milliseconds between two calls: around the ends of the windows, to the microsecond. */
export const pauseMs = fc.constantFrom(0, 0, 0, 0.001, 1, 999.999, 1000, 29_999, 30_000.5, 60_000, 3_600_000);

function sessionAt({ ageMs, ...facts }: { ageMs: number; actionCount: number }, nowMs: number) {
  return { id: "s", startedAtMs: nowMs - ageMs, ...facts };
}

/** 2026-06-15T12:00:00Z, and 2026-03-08T06:59:59.5Z, half a second before New York's clocks change. */
export const START_MS = [Date.UTC(2026, 5, 15, 12), Date.UTC(2026, 2, 8, 6, 59, 59, 500)] as const;
