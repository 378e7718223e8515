/** Signs and verifies one kind of thing with every algorithm of a suite. Every v2 signature of this system passes here. */
import { type Domain, ED25519, ML_DSA_65, SUITE_HAS_ED25519, type Suite } from "./algorithms.ts";
import { concat, uint32, utf8 } from "./framing.ts";
import { type KavachKeyPair, signingKeysOf } from "./keys/key-pair.ts";
import { type PublicKeyBundle, verifyingKeysOf } from "./keys/public-key-bundle.ts";
import { provider } from "./provider.ts";

export interface SuiteSignature {
  /** 3309 bytes. */
  readonly mlDsa: Uint8Array;
  /** 64 bytes, or none where the suite has no Ed25519. */
  readonly ed25519: Uint8Array;
}

const NOTHING = new Uint8Array(0);

/** What is signed: the tag, the body's length (uint32, big-endian) and the body. */
function messageOf(domain: Domain, body: Uint8Array): Uint8Array<ArrayBuffer> {
  return concat(utf8(domain), uint32(body.length), body);
}

/** ML-DSA off the calling thread, Ed25519 on it. Rejects with CryptoError `KEY_DISPOSED`, or whatever the provider says. */
export async function signWithSuite(
  suite: Suite,
  domain: Domain,
  keyPair: KavachKeyPair,
  body: Uint8Array,
): Promise<SuiteSignature> {
  const keys = signingKeysOf(keyPair);
  const message = messageOf(domain, body);
  const mlDsa = provider.signInBackground(ML_DSA_65, keys.mlDsa, message, utf8(domain));
  const ed25519 = SUITE_HAS_ED25519[suite] ? provider.sign(ED25519, keys.ed25519, message, NOTHING) : NOTHING;
  return { mlDsa: await mlDsa, ed25519 };
}

/** True only when every signature of the suite is there and verifies, and no other is there. */
export async function verifyWithSuite(
  suite: Suite,
  domain: Domain,
  bundle: PublicKeyBundle,
  body: Uint8Array,
  signature: SuiteSignature,
): Promise<boolean> {
  const message = messageOf(domain, body);
  const keys = verifyingKeysOf(bundle);
  if (SUITE_HAS_ED25519[suite]) {
    // The cheap one first: a forger pays for it before we pay for the other.
    if (!provider.verify(ED25519, keys.ed25519, message, NOTHING, signature.ed25519)) return false;
  } else if (signature.ed25519.length !== 0) {
    return false;
  }
  return await provider.verifyInBackground(ML_DSA_65, keys.mlDsa, message, utf8(domain), signature.mlDsa);
}
