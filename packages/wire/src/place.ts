/** Places and devices, read from the wire: empty text is an absent fact. The limits are not checked here. */
import type { Device as WireDevice, GeoLocation as WireGeo } from "@kavach/api";
import type { Device, GeoLocation } from "@kavach/model";

export function geoFromWire(geo: WireGeo): GeoLocation {
  return {
    countryCode: geo.countryCode,
    ...(geo.region !== "" && { region: geo.region }),
    ...(geo.city !== "" && { city: geo.city }),
    ...(geo.latitude !== undefined && { latitude: geo.latitude }),
    ...(geo.longitude !== undefined && { longitude: geo.longitude }),
  };
}

/** A device of which nothing is said is no device. */
export function deviceFromWire(device: WireDevice): Device | undefined {
  const { hash, description } = device;
  if (hash === "" && description === "") return undefined;
  return { ...(hash !== "" && { hash }), ...(description !== "" && { description }) };
}
