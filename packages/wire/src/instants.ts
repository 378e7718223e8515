/** Instants and spans of time between google.protobuf and milliseconds; fractions of a millisecond are kept to the microsecond. */
import { create } from "@bufbuild/protobuf";
import { type Duration, DurationSchema, type Timestamp, TimestampSchema } from "@bufbuild/protobuf/wkt";
import { Bug } from "@kavach/model";
import { refuseField } from "./violation.ts";

/** The range of google.protobuf.Timestamp: the years 1 to 9999. */
const SECONDS_MIN = -62_135_596_800n;
const SECONDS_MAX = 253_402_300_799n;
/** The range of google.protobuf.Duration: about 10,000 years. */
const DURATION_SECONDS_MAX = 315_576_000_000;

/** Unix milliseconds; an `InputError` at `path` where it lies outside the years 1 to 9999 or its nanos outside a second. */
export function instantFromWire(timestamp: Timestamp, path: string): number {
  const { seconds, nanos } = timestamp;
  if (seconds < SECONDS_MIN || seconds > SECONDS_MAX || nanos < 0 || nanos > 999_999_999) {
    return refuseField(path, "must lie in the years 1 to 9999, with nanos from 0 to 999999999");
  }
  return Number(seconds) * 1000 + Math.floor(nanos / 1000) / 1000;
}

/** From Unix milliseconds; throws `Bug` outside the years 1 to 9999. */
export function instantToWire(ms: number): Timestamp {
  const { seconds, nanos } = split(ms);
  const whole = Number.isFinite(seconds) ? BigInt(seconds) : SECONDS_MAX + 1n;
  if (whole < SECONDS_MIN || whole > SECONDS_MAX) throw new Bug(`${ms} ms is no instant of the years 1 to 9999`);
  return create(TimestampSchema, { seconds: whole, nanos });
}

/** From milliseconds, zero or more. */
export function durationToWire(ms: number): Duration {
  const { seconds, nanos } = split(ms);
  if (!(seconds >= 0 && seconds <= DURATION_SECONDS_MAX)) throw new Bug(`${ms} ms is no span of time`);
  return create(DurationSchema, { seconds: BigInt(seconds), nanos });
}

/** Milliseconds, zero or more; an `InputError` at `path` for anything else. */
export function durationFromWire(duration: Duration, path: string): number {
  const seconds = Number(duration.seconds);
  const { nanos } = duration;
  if (!(seconds >= 0 && seconds <= DURATION_SECONDS_MAX) || nanos < 0 || nanos > 999_999_999) {
    return refuseField(path, "must not be negative, nor longer than 10,000 years");
  }
  return seconds * 1000 + Math.floor(nanos / 1000) / 1000;
}

function split(ms: number): { seconds: number; nanos: number } {
  const seconds = Math.floor(ms / 1000);
  const micros = Math.round((ms - seconds * 1000) * 1000);
  return micros === 1_000_000 ? { seconds: seconds + 1, nanos: 0 } : { seconds, nanos: micros * 1000 };
}
