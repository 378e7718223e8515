/** The log scripts' answers as values of the port. */
import {
  Bug,
  type InvalidationScope,
  type RealmFloor,
  type Revision,
  type RevocationRecord,
  UnavailableError,
} from "@kavach/model";
import { LogError } from "@kavach/store";

/** The answer where it is none of the refusals that every log script knows. */
export function answered(reply: unknown): readonly [string, ...unknown[]] {
  if (!Array.isArray(reply) || typeof reply[0] !== "string") throw new Bug("a log script gave no answer");
  switch (reply[0]) {
    case "not_open":
      throw new LogError("NOT_OPEN", "the revocation log has no head: it was never opened, or the server was emptied");
    case "other_incarnation":
      throw new LogError(
        "OTHER_INCARNATION",
        "the log's server was restarted or replaced, or the log was opened again",
      );
    case "replica":
      throw new UnavailableError("LOG_UNAVAILABLE", "the log's server has become a replica");
    default:
      return reply as [string, ...unknown[]];
  }
}

export function revisionAt(reply: readonly unknown[], at: number): Revision {
  return { generation: Number(reply[at]), number: Number(reply[at + 1]) };
}

/** A stream entry: `[id, [field, value, ...]]`. */
export function recordOf(entry: unknown, generation: number): RevocationRecord {
  const [id, fields] = entry as [string, string[]];
  const number = Number.parseInt(id, 10);
  const value = (name: string) => fields[fields.indexOf(name) + 1] as string;
  const scope = JSON.parse(value("scope")) as InvalidationScope;
  return { revision: { generation, number }, realm: value("realm"), recordedAtMs: Number(value("at")), scope };
}

/** A mark: `generation number recordedAtMs scope` under its target. */
export function markOf(target: string, text: string): RevocationRecord {
  const [realm] = JSON.parse(target) as [string];
  const [, generation, number, recordedAtMs, scope] = /^(\d+) (\d+) (\d+) (.*)$/s.exec(text) as unknown as string[];
  return {
    revision: { generation: Number(generation), number: Number(number) },
    realm,
    recordedAtMs: Number(recordedAtMs),
    scope: JSON.parse(scope as string) as InvalidationScope,
  };
}

/** A floor: `generation number recordedAtMs` under its realm. */
export function floorOf(realm: string, text: string): RealmFloor {
  const [generation, number, recordedAtMs] = text.split(" ").map(Number) as [number, number, number];
  return { realm, revision: { generation, number }, recordedAtMs };
}
