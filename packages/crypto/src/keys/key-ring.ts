/** The keys of one issuer over time: one that signs, and older ones that verify until every permit they signed has expired. */
import { type Clock, LIMITS } from "@kavach/model";
import { SYSTEM_CLOCK } from "@kavach/system";
import { HYBRID_SUITE } from "../algorithms.ts";
import { type KeyLookup, type KeyTable, tableOf } from "../directory/key-table.ts";
import { CryptoError, DirectoryError } from "../errors.ts";
import { optionsOf } from "../no-other-option.ts";
import { expectKeyPair, type KavachKeyPair, signingKeysOf } from "./key-pair.ts";
import { keyIdOf, type PublicKeyBundle } from "./public-key-bundle.ts";

export interface KeyRingOptions {
  readonly active: KavachKeyPair;
  /** Absent: this machine's. */
  readonly clock?: Clock;
  /**
   * How long a key verifies after another took over, whole milliseconds, at least the longest life of a permit with the clocks' difference
   * on both sides; default just that, 304 s.
   */
  readonly graceMs?: number;
}

interface Retired {
  readonly bundle: PublicKeyBundle;
  readonly untilMs: number;
}

const GRACE_MS_MIN = LIMITS.permitTtlMsMax + 2 * LIMITS.permitSkewMs;
const OPTIONS: ReadonlySet<string> = new Set(["active", "clock", "graceMs"]);

const isSameKey = (a: PublicKeyBundle, b: PublicKeyBundle) => keyIdOf(a, HYBRID_SUITE) === keyIdOf(b, HYBRID_SUITE);

/** Give it to a `PermitSigner`, and to a `PermitVerifier` as its directory where issuer and verifier are one process. */
export class KeyRing implements KeyLookup {
  readonly #clock: Clock;
  readonly #graceMs: number;
  #active: KavachKeyPair;
  #retired: readonly Retired[] = [];
  #table: KeyTable;

  /** Throws CryptoError `OPTION_INVALID`, `KEY_CORRUPT`, `KEY_EXPIRED` or `KEY_DISPOSED`. */
  constructor(options: KeyRingOptions) {
    const { active, clock = SYSTEM_CLOCK, graceMs = GRACE_MS_MIN } = optionsOf(options);
    const unknown = Object.keys(options).find((name) => !OPTIONS.has(name));
    if (unknown !== undefined) throw new CryptoError("OPTION_INVALID", `unknown option ${unknown}`);
    if (!Number.isSafeInteger(graceMs) || graceMs < GRACE_MS_MIN) {
      throw new CryptoError("OPTION_INVALID", `graceMs is a whole number of at least ${GRACE_MS_MIN}`);
    }
    this.#clock = clock;
    this.#graceMs = graceMs;
    this.#active = this.#checked(active);
    this.#table = tableOf([this.#active.publicKeys()]);
  }

  /** The key that signs now. */
  get active(): KavachKeyPair {
    return this.#active;
  }

  /**
   * From now on `next` signs, an earlier key too: a rotation may have to be taken back. Returns the key that signed until now; dispose of it
   * when what it was signing is out. Throws CryptoError `KEY_CORRUPT` for what is no key pair, `OPTION_INVALID` for the key that signs
   * already and for another key under the id of one in the ring, `KEY_EXPIRED` or `KEY_DISPOSED`; the ring then stays as it is.
   */
  rotate(next: KavachKeyPair): KavachKeyPair {
    expectKeyPair(next);
    const before = this.#active;
    if (next.id === before.id) throw new CryptoError("OPTION_INVALID", "the key signs already");
    const bundle = next.publicKeys();
    const isTaken = ({ bundle: known }: Retired) => known.id === next.id && !isSameKey(known, bundle);
    this.#dropOverdue();
    if (this.#retired.some(isTaken)) throw new CryptoError("OPTION_INVALID", "another key of this id is in the ring");
    this.#active = this.#checked(next);
    const untilMs = this.#clock.nowMs() + this.#graceMs;
    const others = this.#retired.filter(({ bundle: known }) => known.id !== next.id);
    this.#retired = [{ bundle: before.publicKeys(), untilMs }, ...others];
    this.#table = tableOf(this.bundles());
    return before;
  }

  /** Every key that verifies now, the active one first. */
  bundles(): readonly PublicKeyBundle[] {
    this.#dropOverdue();
    return [this.#active.publicKeys(), ...this.#retired.map(({ bundle }) => bundle)];
  }

  /** Whether a bundle has expired is the caller's question. Rejects with DirectoryError `NotFound`. */
  async fetch(keyId: string): Promise<PublicKeyBundle> {
    this.#dropOverdue();
    const bundle = this.#table.find(keyId);
    if (bundle === undefined) throw new DirectoryError("NotFound", "no such key");
    return bundle;
  }

  #dropOverdue(): void {
    const nowMs = this.#clock.nowMs();
    const kept = this.#retired.filter(({ untilMs }) => nowMs < untilMs);
    if (kept.length === this.#retired.length) return;
    this.#retired = kept;
    this.#table = tableOf([this.#active.publicKeys(), ...kept.map(({ bundle }) => bundle)]);
  }

  #checked(keyPair: KavachKeyPair): KavachKeyPair {
    expectKeyPair(keyPair);
    signingKeysOf(keyPair);
    if (keyPair.isExpiredAt(this.#clock.nowMs())) throw new CryptoError("KEY_EXPIRED", "the key has expired");
    return keyPair;
  }
}
