/** The drift detectors, row by row of their table. */
import type { ActionContext, GeoLocation, Session } from "@kavach/model";
import type { ReferenceAnswer, ReferenceOptions } from "./source.ts";
import { addressText, plain } from "./texts.ts";

type Row = "stable" | "warning" | string;

/** Whole seconds since the session's start; 0 without a session. */
export function ageOf(session: Session | undefined, nowMs: number): number {
  return session === undefined ? 0 : Math.trunc((nowMs - session.startedAtMs) / 1000);
}

export function judgeDrift(
  context: ActionContext,
  options: ReferenceOptions,
  nowMs: number,
): ReferenceAnswer | undefined {
  const { session } = context;
  if (session === undefined || options.enableDrift === false) return undefined;
  const drift = options.drift ?? {};
  const rows = [
    geo(context, session, drift.geoMaxKm),
    age(session, nowMs, drift.sessionAgeMaxSeconds ?? 14_400, drift.sessionAgeWarningSeconds),
    device(context, session),
    behavior(session, nowMs, drift.actionRateMax ?? 100, drift.actionRateWarning ?? 30),
  ];
  const violation = rows.find((row) => row !== "stable" && row !== "warning");
  if (violation !== undefined) return { kind: "invalidate", evaluator: "drift", reason: violation };
  const warnings = rows.filter((row) => row === "warning").length;
  const threshold = drift.warningsToRefuse ?? 3;
  if (warnings < threshold) return undefined;
  const reason = `${warnings} concurrent drift warnings (threshold: ${threshold})`;
  return { kind: "refuse", code: "DRIFT_DETECTED", evaluator: "drift", reason };
}

function geo({ environment }: ActionContext, session: Session, maxKm: number | undefined): Row {
  if (environment.ip === undefined || session.originIp === undefined) return "stable";
  const origin = addressText(session.originIp);
  const current = addressText(environment.ip);
  if (origin === current) return "stable";
  const place = environment.geo;
  const city = place?.city === undefined ? "" : `/${place.city}`;
  const change = `${origin} → ${current}${place === undefined ? "" : ` (current geo: ${place.countryCode}${city})`}`;
  if (maxKm === undefined) return `IP changed mid-session: ${change}`;
  const km = kilometres(session.originGeo, place);
  if (km === undefined) return `IP changed mid-session and geo distance is unverifiable: ${change}`;
  if (km <= maxKm) return "warning";
  return `IP changed mid-session and moved ${km.toFixed(1)}km (> ${maxKm.toFixed(1)}km threshold): ${change}`;
}

/** Haversine, as textbooks print it. */
export function kilometres(from: GeoLocation | undefined, to: GeoLocation | undefined): number | undefined {
  const [lat1, lon1, lat2, lon2] = [from?.latitude, from?.longitude, to?.latitude, to?.longitude];
  if (lat1 === undefined || lon1 === undefined || lat2 === undefined || lon2 === undefined) return undefined;
  const rad = (degrees: number) => (degrees / 180) * Math.PI;
  const hav = (angle: number) => Math.sin(angle / 2) ** 2;
  const a = hav(rad(lat2) - rad(lat1)) + Math.cos(rad(lat1)) * Math.cos(rad(lat2)) * hav(rad(lon2) - rad(lon1));
  return 2 * 6371 * Math.atan2(Math.sqrt(a), Math.sqrt(Math.max(0, 1 - a)));
}

function age(session: Session, nowMs: number, max: number, warning: number | undefined): Row {
  const seconds = ageOf(session, nowMs);
  if (seconds > max) return `session age (${seconds}s) exceeds maximum (${plain(max)}s)`;
  return seconds > (warning ?? max * 0.75) ? "warning" : "stable";
}

function device({ environment }: ActionContext, session: Session): Row {
  const now = environment.device?.hash;
  const origin = session.originDevice?.hash;
  return now !== undefined && origin !== undefined && now !== origin
    ? "device fingerprint changed mid-session"
    : "stable";
}

function behavior(session: Session, nowMs: number, max: number, warning: number): Row {
  const minutes = Math.trunc(ageOf(session, nowMs) / 60);
  const rate = Math.floor(session.actionCount / Math.max(minutes, 1));
  if (rate > max) return `action rate (${rate}/min) exceeds violation threshold (${plain(max)})`;
  return rate > warning ? "warning" : "stable";
}
