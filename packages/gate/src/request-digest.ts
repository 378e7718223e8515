/** The digest of a whole request: equal requests have equal digests, however they were spelt on the wire. */
import { sha256Text } from "@kavach/crypto";
import type { DecisionRequest, Device, GeoLocation } from "@kavach/model";

/**
 * SHA-256, 32 bytes, over a JSON array of fixed order (typed and unambiguous by its syntax; absent is null). The evaluation
 * id is not in it: it is what the digest is compared under.
 */
export function requestDigest(request: DecisionRequest, paramsDigest: Uint8Array): Uint8Array {
  const { principal, action, session, environment } = request.context;
  const text = JSON.stringify([
    "kavach-request-v2",
    request.realm,
    request.audience,
    request.singleUse,
    [principal.id, principal.kind, principal.roles],
    // Params have a digest already, which says the same of them.
    [action.name, action.resource ?? null, Buffer.from(paramsDigest).toString("base64")],
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

function geoFields(geo: GeoLocation | undefined): unknown {
  if (geo === undefined) return null;
  return [geo.countryCode, geo.region ?? null, geo.city ?? null, geo.latitude ?? null, geo.longitude ?? null];
}

function deviceFields(device: Device | undefined): unknown {
  return device === undefined ? null : [device.hash ?? null, device.description ?? null];
}
