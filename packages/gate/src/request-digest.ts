/** The digest of a whole request: equal requests have equal digests, however they were spelt on the wire. */
import { sha256Text } from "@kavach/crypto";
import type { DecisionRequest, Device, GeoLocation } from "@kavach/model";

/**
 * SHA-256, 32 bytes, over a JSON array of fixed order (typed and unambiguous by its syntax; absent is null). The evaluation
 * id is in it as its 16 bytes, because its text may be spelt in either case.
 */
export function requestDigest(
  request: DecisionRequest,
  evaluationId: Uint8Array,
  paramsDigest: Uint8Array,
): Uint8Array {
  const { principal, action, session, environment } = request.context;
  const text = JSON.stringify([
    "kavach-request-v3",
    characters(evaluationId),
    request.realm,
    request.audience,
    request.singleUse,
    [principal.id, principal.kind, principal.roles],
    // Params have a digest already, which says the same of them.
    [action.name, action.resource ?? null, characters(paramsDigest)],
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

/** A character for each byte: nothing is cheaper to make, and one way is as good as another. */
function characters(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
}

function geoFields(geo: GeoLocation | undefined): unknown {
  if (geo === undefined) return null;
  return [geo.countryCode, geo.region ?? null, geo.city ?? null, geo.latitude ?? null, geo.longitude ?? null];
}

function deviceFields(device: Device | undefined): unknown {
  return device === undefined ? null : [device.hash ?? null, device.description ?? null];
}
