/** Time windows: `HH:MM-HH:MM`, zero-padded, then at most one blank and one IANA zone. Both ends belong to it. */
import { suggest } from "./suggest.ts";
import { isZoneName, wallClock, zoneNames } from "./time-zone.ts";

export interface TimeWindow {
  /** Milliseconds since midnight. */
  readonly startMs: number;
  /** Milliseconds since midnight, up to 24:00. Earlier than the start: the window goes over midnight. */
  readonly endMs: number;
  readonly zone: string;
  /** The window, its zone always named. */
  readonly text: string;
}

const SHAPE = /^([01]\d|2[0-3]):([0-5]\d)-(?:([01]\d|2[0-3]):([0-5]\d)|24:00)(?: (\S+))?$/;

export interface WindowFault {
  readonly fault: string;
  readonly suggestion?: string;
}

export function parseTimeWindow(text: string): TimeWindow | WindowFault {
  const match = SHAPE.exec(text);
  if (match === null)
    return { fault: `malformed window '${text}': HH:MM-HH:MM, then at most one blank and one IANA time zone` };
  const [, startHour, startMinute, endHour, endMinute, zone = "UTC"] = match;
  if (!isZoneName(zone)) {
    const suggestion = suggest(zone, zoneNames());
    return { fault: `unknown time zone '${zone}'`, ...(suggestion !== undefined && { suggestion }) };
  }
  return {
    startMs: minutesMs(startHour, startMinute),
    endMs: endHour === undefined ? minutesMs("24", "00") : minutesMs(endHour, endMinute),
    zone,
    text: `${text.slice(0, 11)} ${zone}`,
  };
}

function minutesMs(hour = "", minute = ""): number {
  return (Number(hour) * 60 + Number(minute)) * 60_000;
}

/** Judges an instant, Unix ms with fractions: 18:00:00.000 is in a window that ends at 18:00, anything after is out. */
export function windowTest(window: TimeWindow): (instantMs: number) => boolean {
  const clock = wallClock(window.zone);
  const { startMs, endMs } = window;
  if (startMs <= endMs) {
    return (instantMs) => {
      const now = clock(instantMs);
      return now >= startMs && now <= endMs;
    };
  }
  return (instantMs) => {
    const now = clock(instantMs);
    return now >= startMs || now <= endMs;
  };
}
