/** Drift: what changed about a session since it began. One violation voids the session; many warnings at once refuse. */
import type { ActionContext, Finding, Session } from "@kavach/model";
import { geoDrift } from "./drift-geo.ts";
import { plainNumber } from "./number-text.ts";
import { sessionAgeSeconds } from "./session-age.ts";

/** Thresholds, complete. */
export interface DriftThresholds {
  /** Kilometres that a session may move; undefined: a changed address is a violation wherever it is. */
  readonly geoMaxKm: number | undefined;
  /** Whole seconds; older is a violation. */
  readonly sessionAgeMaxSeconds: number;
  /** Whole seconds; older is a warning. */
  readonly sessionAgeWarningSeconds: number;
  /** Actions a minute; more is a violation. */
  readonly actionRateMax: number;
  /** Actions a minute; more is a warning. */
  readonly actionRateWarning: number;
  /** So many warnings at once refuse. */
  readonly warningsToRefuse: number;
}

export type Drift = "stable" | "warning" | { readonly violation: string };

type Detector = (thresholds: DriftThresholds, context: ActionContext, session: Session, nowMs: number) => Drift;

const DETECTORS: readonly Detector[] = [geoDrift, ageDrift, deviceDrift, behaviorDrift];

/** Their names, in the same order. */
const DETECTOR_NAMES = ["geo_drift", "session_age_drift", "device_drift", "behavior_drift"] as const;

export interface DriftSignal {
  readonly detector: (typeof DETECTOR_NAMES)[number];
  readonly signal: "stable" | "warning" | "violation";
  /** Of a violation: what the verdict would give as its reason. */
  readonly message?: string;
}

/** What each detector says, also after one of them has objected. */
export function driftSignals(
  thresholds: DriftThresholds,
  context: ActionContext,
  session: Session | undefined,
  nowMs: number,
): DriftSignal[] {
  if (session === undefined) return [];
  return DETECTORS.map((detect, index) => {
    const detector = DETECTOR_NAMES[index] as DriftSignal["detector"];
    const drift = detect(thresholds, context, session, nowMs);
    return typeof drift === "string"
      ? { detector, signal: drift }
      : { detector, signal: "violation", message: drift.violation };
  });
}

/** Undefined: nothing to object to. A context without a session has nothing to drift from. */
export function judgeDrift(
  thresholds: DriftThresholds,
  context: ActionContext,
  session: Session | undefined,
  nowMs: number,
): Finding | undefined {
  if (session === undefined) return undefined;
  let warnings = 0;
  for (const detect of DETECTORS) {
    const drift = detect(thresholds, context, session, nowMs);
    if (drift === "stable") continue;
    if (drift === "warning") warnings++;
    else {
      const target = { kind: "session", principalId: context.principal.id, id: session.id } as const;
      return { kind: "invalidate", scope: { target, reason: drift.violation, evaluator: "drift" } };
    }
  }
  if (warnings < thresholds.warningsToRefuse) return undefined;
  const reason = `${warnings} concurrent drift warnings (threshold: ${thresholds.warningsToRefuse})`;
  return { kind: "refuse", code: "DRIFT_DETECTED", evaluator: "drift", reason };
}

function ageDrift(thresholds: DriftThresholds, _context: ActionContext, session: Session, nowMs: number): Drift {
  const age = sessionAgeSeconds(session, nowMs);
  const { sessionAgeMaxSeconds: max, sessionAgeWarningSeconds: warning } = thresholds;
  if (age > max) return { violation: `session age (${age}s) exceeds maximum (${plainNumber(max)}s)` };
  return age > warning ? "warning" : "stable";
}

/** Hashes alone count; descriptions are for people. */
function deviceDrift(_thresholds: DriftThresholds, { environment }: ActionContext, session: Session): Drift {
  const now = environment.device?.hash;
  const origin = session.originDevice?.hash;
  if (now === undefined || origin === undefined || now === origin) return "stable";
  return { violation: "device fingerprint changed mid-session" };
}

function behaviorDrift(thresholds: DriftThresholds, _context: ActionContext, session: Session, nowMs: number): Drift {
  const minutes = Math.max(1, Math.trunc(sessionAgeSeconds(session, nowMs) / 60));
  const rate = Math.floor(session.actionCount / minutes);
  if (rate > thresholds.actionRateMax) {
    return {
      violation: `action rate (${rate}/min) exceeds violation threshold (${plainNumber(thresholds.actionRateMax)})`,
    };
  }
  return rate > thresholds.actionRateWarning ? "warning" : "stable";
}
