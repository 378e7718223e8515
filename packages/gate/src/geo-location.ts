/** A place on earth, checked when it is made. */
import { distanceKm } from "@kavach/engine";
import { type FieldViolation, type GeoLocation as GeoLocationFacts, InputError } from "@kavach/model";

export interface GeoDetails {
  readonly region?: string | undefined;
  readonly city?: string | undefined;
  /** Degrees, -90 to 90. */
  readonly latitude?: number | undefined;
  /** Degrees, -180 to 180. */
  readonly longitude?: number | undefined;
}

const DETAILS = ["region", "city", "latitude", "longitude"] as const;

export class GeoLocation implements GeoLocationFacts {
  readonly countryCode: string;
  declare readonly region?: string;
  declare readonly city?: string;
  declare readonly latitude?: number;
  declare readonly longitude?: number;

  /** Throws `InputError` with every violation. */
  constructor(countryCode: string, details: GeoDetails = {}) {
    const violations: FieldViolation[] = [];
    const fail = (field: string, reason: string) => violations.push({ field, reason });
    if (typeof countryCode !== "string" || countryCode === "") fail("countryCode", "must be a text that is not empty");
    for (const key of Object.keys(details)) {
      if (!(DETAILS as readonly string[]).includes(key)) fail(key, "is not a known key");
    }
    for (const key of ["region", "city"] as const) {
      if (details[key] !== undefined && typeof details[key] !== "string") fail(key, "must be a string");
    }
    if (!isDegrees(details.latitude, 90)) fail("latitude", "must be a number from -90 to 90");
    if (!isDegrees(details.longitude, 180)) fail("longitude", "must be a number from -180 to 180");
    if (violations.length > 0) throw new InputError(violations);
    this.countryCode = countryCode;
    // What is absent stays absent: the limits refuse keys without a value.
    for (const key of DETAILS) if (details[key] !== undefined) Object.assign(this, { [key]: details[key] });
    Object.freeze(this);
  }

  /** Great-circle distance on a sphere of 6371 km; undefined unless both places have both coordinates. */
  distanceKm(to: GeoLocationFacts): number | undefined {
    return distanceKm(this, to);
  }
}

function isDegrees(value: unknown, max: number): boolean {
  return value === undefined || (typeof value === "number" && value >= -max && value <= max);
}
