/** Drift of place: a session whose address changed, and how far it moved. */
import { type ActionContext, canonicalAddress, type GeoLocation, type Session } from "@kavach/model";
import type { Drift, DriftThresholds } from "./drift.ts";
import { oneDecimal } from "./number-text.ts";

/** Mean radius of the earth, taken as a sphere. */
const EARTH_RADIUS_KM = 6371;

export function geoDrift({ geoMaxKm }: DriftThresholds, { environment }: ActionContext, session: Session): Drift {
  const { ip, geo } = environment;
  const { originIp, originGeo } = session;
  if (ip === undefined || originIp === undefined || ip === originIp) return "stable";
  const current = canonicalAddress(ip);
  const origin = canonicalAddress(originIp);
  // Text that is no address was refused at the door; should one get here, it equals nothing.
  if (current !== undefined && current === origin) return "stable";
  const change = `${origin ?? originIp} → ${current ?? ip}${note(geo)}`;
  if (geoMaxKm === undefined) return { violation: `IP changed mid-session: ${change}` };
  const km = distanceKm(originGeo, geo);
  if (km === undefined) return { violation: `IP changed mid-session and geo distance is unverifiable: ${change}` };
  if (km <= geoMaxKm) return "warning";
  const moved = `${oneDecimal(km)}km (> ${oneDecimal(geoMaxKm)}km threshold)`;
  return { violation: `IP changed mid-session and moved ${moved}: ${change}` };
}

function note(geo: GeoLocation | undefined): string {
  if (geo === undefined) return "";
  const city = geo.city === undefined ? "" : `/${geo.city}`;
  return ` (current geo: ${geo.countryCode}${city})`;
}

/** Great-circle distance by the haversine formula; undefined unless both places have both coordinates. */
export function distanceKm(from: GeoLocation | undefined, to: GeoLocation | undefined): number | undefined {
  if (from?.latitude === undefined || from.longitude === undefined) return undefined;
  if (to?.latitude === undefined || to.longitude === undefined) return undefined;
  const fromLatitude = radians(from.latitude);
  const toLatitude = radians(to.latitude);
  const halfLatitude = Math.sin((toLatitude - fromLatitude) / 2);
  const halfLongitude = Math.sin(radians(to.longitude - from.longitude) / 2);
  const chord = halfLatitude ** 2 + Math.cos(fromLatitude) * Math.cos(toLatitude) * halfLongitude ** 2;
  // Rounding can carry antipodes a hair above 1, where the arc sine is not a number.
  const km = 2 * EARTH_RADIUS_KM * Math.asin(Math.sqrt(Math.min(1, chord)));
  return Number.isFinite(km) ? km : undefined;
}

function radians(degrees: number): number {
  return (degrees * Math.PI) / 180;
}
