/** The digest of a whole request: equal requests have equal digests, however they were spelt on the wire. */
import { sha256Text } from "@kavach/crypto";
import type { DecisionRequest, Device, GeoLocation, ParamValue } from "@kavach/model";

/**
 * SHA-256, 32 bytes, over a JSON array of fixed order (typed and unambiguous by its syntax; absent is null). The evaluation
 * id is not in it: it is what the digest is compared under.
 */
export function requestDigest(request: DecisionRequest): Uint8Array {
  const { principal, action, session, environment } = request.context;
  const text = JSON.stringify([
    "kavach-request-v1",
    request.realm,
    request.audience,
    request.singleUse,
    [principal.id, principal.kind, principal.roles],
    [action.name, action.resource ?? null, paramPairs(action.params)],
    session === undefined
      ? null
      : [
          session.id,
          session.startAssumed === true ? null : session.startedAtMs,
          session.actionCount,
          session.originIp ?? null,
          geoFields(session.originGeo),
          deviceFields(session.originDevice),
          session.invalidated ?? false,
        ],
    [
      environment.ip ?? null,
      geoFields(environment.geo),
      deviceFields(environment.device),
      environment.userAgent ?? null,
    ],
  ]);
  return sha256Text(text);
}

/** Sorted by code unit, as a map has no order on the wire. */
function paramPairs(params: ReadonlyMap<string, ParamValue>): [string, ParamValue][] {
  return [...params].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
}

function geoFields(geo: GeoLocation | undefined): unknown {
  if (geo === undefined) return null;
  return [geo.countryCode, geo.region ?? null, geo.city ?? null, geo.latitude ?? null, geo.longitude ?? null];
}

function deviceFields(device: Device | undefined): unknown {
  return device === undefined ? null : [device.hash ?? null, device.description ?? null];
}
