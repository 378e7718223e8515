import { paramsDigest } from "@kavach/crypto";
import { type DecisionRequest, type ParamValue, uuidToBytes } from "@kavach/model";
import { expect, it } from "vitest";
import { requestDigest } from "./request-digest.ts";

const ID = "0194f2c0-0000-7abc-8000-000000000001";
const PLACE = { countryCode: "FR", region: "IDF", city: "Paris", latitude: 48.8, longitude: 2.3 };
const DEVICE = { hash: "h", description: "phone" };
const PARAMS: readonly (readonly [string, ParamValue])[] = [
  ["amount", 500],
  ["currency", "EUR"],
];
const WHOLE: DecisionRequest = {
  realm: "default",
  evaluationId: ID,
  audience: ["a", "b"],
  singleUse: false,
  context: {
    principal: { id: "alice", kind: "user", roles: ["x", "y"] },
    action: { name: "pay", resource: "r", params: new Map(PARAMS) },
    session: {
      ...{ id: "s", startedAtMs: 5, actionCount: 2, originIp: "10.0.0.1", originGeo: PLACE },
      ...{ originDevice: DEVICE, invalidated: false },
    },
    environment: { ip: "10.0.0.1", geo: PLACE, device: DEVICE, userAgent: "ua" },
  },
};

type Path = readonly (string | number)[];
const digestOf = (request: DecisionRequest) =>
  Buffer.from(
    requestDigest(request, uuidToBytes(request.evaluationId), paramsDigest(request.context.action.params)),
  ).toString("hex");

/** Every place in the request that holds a fact. */
function placesIn(value: unknown, path: Path = []): Path[] {
  if (value === null || typeof value !== "object" || value instanceof Map) return [path];
  return Object.entries(value).flatMap(([key, inner]) => placesIn(inner, [...path, key]));
}

function changed(value: unknown, [key, ...rest]: Path, to: (old: unknown) => unknown): unknown {
  if (key === undefined) return to(value);
  const copy = Array.isArray(value) ? [...value] : { ...(value as object) };
  Reflect.set(copy, key, changed(Reflect.get(value as object, key), rest, to));
  return copy;
}

function other(old: unknown): unknown {
  if (old instanceof Map) return new Map(old).set("amount", 501);
  if (typeof old === "number") return old + 1;
  if (typeof old === "boolean") return !old;
  return old === ID ? ID.replace("1", "2") : `${old}x`;
}

it("differs when any fact of the request does, or when one is missing", () => {
  const places = placesIn(WHOLE);
  expect(places.length).toBeGreaterThan(30);
  const requests = places.map((path) => changed(WHOLE, path, other) as DecisionRequest);
  const optional = places.filter((path) => /origin|geo|device|ip|userAgent|resource/i.test(path.join(".")));
  const shorter = optional
    .filter((path) => !path.join(".").includes("countryCode"))
    .map((path) => changed(WHOLE, path, () => undefined) as DecisionRequest);
  const digests = [WHOLE, ...requests, ...shorter].map(digestOf);
  expect(new Set(digests).size).toBe(digests.length);
});

it("is the same however the params are ordered and the id is spelt", () => {
  const backwards = changed(WHOLE, ["context", "action", "params"], () => new Map(PARAMS.toReversed()));
  expect(digestOf(backwards as DecisionRequest)).toBe(digestOf(WHOLE));
  expect(digestOf({ ...WHOLE, evaluationId: ID.toUpperCase() })).toBe(digestOf(WHOLE));
});

it("takes a start that nobody gave for none, so that a retry at another instant is the same request", () => {
  const at = (startedAtMs: number) =>
    changed(WHOLE, ["context", "session"], (old) => ({ ...(old as object), startedAtMs, startAssumed: true }));
  expect(digestOf(at(5) as DecisionRequest)).toBe(digestOf(at(6) as DecisionRequest));
  expect(digestOf(at(5) as DecisionRequest)).not.toBe(digestOf(WHOLE));
});
