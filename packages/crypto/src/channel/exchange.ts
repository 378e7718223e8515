/** The key exchange of a message: X25519 with an ephemeral key, and ML-KEM-768, both to the recipient's lasting keys. */
import { ML_KEM_768, X25519 } from "../algorithms.ts";
import { ChannelError, CryptoError } from "../errors.ts";
import { concat, frame, utf8 } from "../framing.ts";
import { type KavachKeyPair, openingKeysOf } from "../keys/key-pair.ts";
import type { PublicKeyBundle } from "../keys/public-key-bundle.ts";
import { provider, sha256 } from "../provider.ts";

/** What goes over the wire, and the secret behind it: the one of ML-KEM, then that of X25519. The caller wipes it. */
export interface Exchange {
  readonly kemCiphertext: Uint8Array<ArrayBuffer>;
  readonly ephemeralKey: Uint8Array<ArrayBuffer>;
  readonly secret: Uint8Array<ArrayBuffer>;
}

/** Throws CryptoError `KEY_CORRUPT` where the recipient's keys are none. */
export function offerTo(recipient: PublicKeyBundle): Exchange {
  const kem = provider.encapsulate(provider.publicKey(ML_KEM_768, recipient.mlKemEncapsulationKey));
  const ephemeral = provider.randomBytes(X25519.secretBytes);
  const ephemeralSecret = provider.secretKey(X25519, ephemeral);
  const shared = provider.agree(ephemeralSecret, provider.publicKey(X25519, recipient.x25519PublicKey));
  provider.wipe(ephemeralSecret);
  const ephemeralKey = provider.publicBytesOf(X25519, ephemeral);
  const secret = concat(kem.secret, shared);
  for (const used of [ephemeral, kem.secret, shared]) used.fill(0);
  return { kemCiphertext: kem.ciphertext, ephemeralKey, secret };
}

/** The secret on the recipient's side. Throws ChannelError `MALFORMED`, and CryptoError `KEY_DISPOSED`. */
export function acceptOffer(
  recipient: KavachKeyPair,
  kemCiphertext: Uint8Array,
  ephemeralKey: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const keys = openingKeysOf(recipient);
  try {
    const kem = provider.decapsulate(keys.mlKem, kemCiphertext);
    const shared = provider.agree(keys.x25519, provider.publicKey(X25519, ephemeralKey));
    const secret = concat(kem, shared);
    for (const used of [kem, shared]) used.fill(0);
    return secret;
  } catch (error) {
    if (error instanceof CryptoError) throw new ChannelError("MALFORMED", "the key exchange of the message is none");
    throw error;
  }
}

const IDENTITY = utf8("kavach-channel-identity-v2");

/** Stands for all four public keys of one side, 32 bytes. Computed on both sides, never read. */
export function identityOf(bundle: PublicKeyBundle): Uint8Array<ArrayBuffer> {
  const { mlDsaVerifyingKey, ed25519VerifyingKey, mlKemEncapsulationKey, x25519PublicKey } = bundle;
  return sha256(frame(IDENTITY, mlDsaVerifyingKey, ed25519VerifyingKey, mlKemEncapsulationKey, x25519PublicKey));
}
