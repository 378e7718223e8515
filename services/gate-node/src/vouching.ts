/** Whether the manifest in force vouches for the key that signs. What no verifier takes is no permit, so without that nothing is signed. */
import {
  CryptoError,
  expiresAtMsOf,
  type KavachKeyPair,
  type KeyRing,
  keyIdOf,
  type LoadedKeys,
  type PublicKeyBundle,
} from "@kavach/crypto";
import type { Clock } from "@kavach/model";
import { type PermitFormat, type Sealing, SUITE } from "./sealing.ts";

/** What the manifest holds of the key. Permits of format 1 name their key by its own id, others by the id that every verifier computes. */
export function vouchedIn(
  { bundles }: Pick<LoadedKeys, "bundles">,
  own: PublicKeyBundle,
  format: PermitFormat,
): PublicKeyBundle | undefined {
  const keyId = keyIdOf(own, SUITE);
  return bundles.find((bundle) => keyIdOf(bundle, SUITE) === keyId && (format !== "v1" || bundle.id === own.id));
}

export interface Vouching {
  readonly manifest: () => LoadedKeys;
  readonly ring: KeyRing;
  readonly format: PermitFormat;
  readonly clock: Clock;
}

/** Answers with what is wrong now, for operators and callers alike; undefined: nothing. Asked before every signature. */
export function vouchingOf({ manifest, ring, format, clock }: Vouching): () => string | undefined {
  const judge = (loaded: LoadedKeys, active: KavachKeyPair) => {
    const own = active.publicKeys();
    const vouched = vouchedIn(loaded, own, format);
    const expiresAtMs = vouched === undefined ? 0 : Math.min(expiresAtMsOf(own), expiresAtMsOf(vouched));
    return { loaded, active, isVouched: vouched !== undefined, expiresAtMs };
  };
  let judged: ReturnType<typeof judge> | undefined;
  return () => {
    const [loaded, { active }] = [manifest(), ring];
    if (judged?.loaded !== loaded || judged.active !== active) judged = judge(loaded, active);
    const nowMs = clock.nowMs();
    if (!(nowMs < (loaded.expiresAtMs ?? 0))) return "the manifest has lapsed";
    if (!judged.isVouched) return "the manifest does not hold the signing key";
    return nowMs < judged.expiresAtMs ? undefined : "the signing key has expired";
  };
}

/** Signs only while `fault` finds nothing. */
export function onlyVouched(sealing: Sealing, fault: () => string | undefined): Sealing {
  const { sealToken } = sealing;
  const refused = () => {
    const why = fault();
    return why === undefined ? undefined : Promise.reject(new CryptoError("SIGNING_FAILED", why));
  };
  return {
    get keyId() {
      return sealing.keyId;
    },
    get keyExpiresAtMs() {
      return sealing.keyExpiresAtMs;
    },
    seal: (claims) => refused() ?? sealing.seal(claims),
    ...(sealToken !== undefined && { sealToken: (claims) => refused() ?? sealToken.call(sealing, claims) }),
    close: () => sealing.close(),
  };
}
