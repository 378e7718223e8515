/** Whether the manifest in force vouches for the key that signs. What no verifier takes is no permit, so without that nothing is signed. */
import {
  CryptoError,
  expiresAtMsOf,
  type KeyRing,
  keyIdOf,
  type LoadedKeys,
  type PublicKeyBundle,
} from "@kavach/crypto";
import type { Clock } from "@kavach/model";
import { type Sealing, SUITE } from "./sealing.ts";

const idOf = (bundle: PublicKeyBundle) => keyIdOf(bundle, SUITE);

export function isVouchedFor(bundle: PublicKeyBundle, { bundles }: Pick<LoadedKeys, "bundles">): boolean {
  const keyId = idOf(bundle);
  return bundles.some((vouched) => idOf(vouched) === keyId);
}

/** Answers with what is wrong now, for operators and callers alike; undefined: nothing. Asked before every signature. */
export function vouchingOf(manifest: () => LoadedKeys, ring: KeyRing, clock: Clock): () => string | undefined {
  let judged: { loaded: LoadedKeys; bundle: PublicKeyBundle; isVouched: boolean; expiresAtMs: number } | undefined;
  return () => {
    const [loaded, bundle] = [manifest(), ring.active.publicKeys()];
    if (judged?.loaded !== loaded || judged.bundle !== bundle) {
      judged = { loaded, bundle, isVouched: isVouchedFor(bundle, loaded), expiresAtMs: expiresAtMsOf(bundle) };
    }
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
