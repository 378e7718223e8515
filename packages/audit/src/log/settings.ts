/** What an audit log can be told, and its defaults. */
import { HYBRID_SUITE, isSuite, KavachKeyPair, KeyRing, type PublicKeyBundle, type Suite } from "@kavach/crypto";
import type { Clock } from "@kavach/model";
import { SYSTEM_CLOCK } from "@kavach/system";
import { AuditError } from "../errors.ts";
import { MemoryOriginRegistry, type OriginRegistry } from "./registry.ts";

export interface AuditLogOptions {
  /** Made where it is missing. One process writes it. */
  readonly folder: string;
  /** Signs checkpoints; the services use it for nothing else. A log that another key signed is not continued. Give this or `keyRing`. */
  readonly keyPair?: KavachKeyPair;
  /** Whatever key is active when a checkpoint is made signs it. Who verifies the log trusts all of them, as its continuation does. */
  readonly keyRing?: KeyRing;
  /** Where origins and their newest checkpoints are kept. Without one that outlives this disk, a log that vanishes is not missed. */
  readonly registry?: OriginRegistry;
  /** Begins the names of this replica's logs: 1 to 200 printable ASCII characters without a blank or a plus. Default `kavach`. */
  readonly name?: string;
  /** Default: hybrid. */
  readonly suite?: Suite;
  readonly clock?: Clock;
  /** A segment is finished when it is longer, bytes, 4096 to 2^40. Default 64 MiB. */
  readonly segmentBytesMax?: number;
  /** Longest time from an entry to the making of a checkpoint over it, milliseconds, 10 to 60,000. Default 800: with signature and disk, less than a second. */
  readonly checkpointEveryMs?: number;
  /** Most entries that wait for the disk; more are rejected. 1 to 1,000,000, default 10,000. */
  readonly waitingMax?: number;
  /** Hears of checkpoints that could not be made or published; they are tried again. */
  readonly report?: (error: unknown, what: string) => void;
}

export interface Settings extends Required<Omit<AuditLogOptions, "keyRing">> {
  /** Public keys whose checkpoints this process believes when it finds its log again. */
  readonly bundles: readonly PublicKeyBundle[];
}

const NAME_FORM = /^[!-*,-~]{1,200}$/;
const OPTIONS: ReadonlySet<string> = new Set([
  ...["folder", "keyPair", "keyRing", "registry", "name", "suite", "clock"],
  ...["segmentBytesMax", "checkpointEveryMs", "waitingMax", "report"],
]);

/** Throws AuditError `OPTION_INVALID`. */
export function checkedSettings(options: AuditLogOptions): Settings {
  if (typeof options !== "object" || options === null) throw new AuditError("OPTION_INVALID", "options are an object");
  const unknown = Object.keys(options).find((name) => !OPTIONS.has(name));
  if (unknown !== undefined) throw new AuditError("OPTION_INVALID", `unknown option ${unknown}`);
  // What is undefined is absent, and must not stand in a default's place.
  const { keyPair, keyRing, ...others } = Object.fromEntries(
    Object.entries(options).filter(([, value]) => value !== undefined),
  ) as unknown as AuditLogOptions;
  if ((keyPair === undefined) === (keyRing === undefined)) {
    throw new AuditError("OPTION_INVALID", "give keyPair or keyRing");
  }
  const isKey = keyRing === undefined ? keyPair instanceof KavachKeyPair : keyRing instanceof KeyRing;
  if (!isKey) throw new AuditError("OPTION_INVALID", "keyPair is a KavachKeyPair, keyRing a KeyRing");
  if (typeof others.folder !== "string" || others.folder === "") {
    throw new AuditError("OPTION_INVALID", "folder is the path of one");
  }
  const settings: Settings = {
    get keyPair() {
      return keyPair ?? (keyRing as KeyRing).active;
    },
    get bundles() {
      return keyRing?.bundles() ?? [(keyPair as KavachKeyPair).publicKeys()];
    },
    registry: new MemoryOriginRegistry(),
    name: "kavach",
    suite: HYBRID_SUITE,
    clock: SYSTEM_CLOCK,
    segmentBytesMax: 64 * 1024 * 1024,
    checkpointEveryMs: 800,
    waitingMax: 10_000,
    report: () => {},
    ...others,
  };
  if (!NAME_FORM.test(settings.name)) throw new AuditError("OPTION_INVALID", "name is printable ASCII, 1 to 200");
  if (!isSuite(settings.suite)) throw new AuditError("OPTION_INVALID", "unknown suite");
  expectWhole("segmentBytesMax", settings.segmentBytesMax, 4096, 2 ** 40);
  expectWhole("checkpointEveryMs", settings.checkpointEveryMs, 10, 60_000);
  expectWhole("waitingMax", settings.waitingMax, 1, 1_000_000);
  return settings;
}

function expectWhole(name: string, value: number, min: number, max: number): void {
  if (Number.isSafeInteger(value) && value >= min && value <= max) return;
  throw new AuditError("OPTION_INVALID", `${name} is a whole number from ${min} to ${max}`);
}
