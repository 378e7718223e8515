/** Key files as bytes; reading and writing the disk is the caller's. */
import { KavachKeyPair } from "./key-pair.ts";

/** The content of a key file, unencrypted: the caller keeps it readable by its owner alone. Throws CryptoError `KEY_DISPOSED`. */
export function encodeKeyFile(keyPair: KavachKeyPair): Uint8Array<ArrayBuffer> {
  return keyPair.toSecretBytes();
}

/** Throws CryptoError `KEY_CORRUPT`. */
export function decodeKeyFile(bytes: Uint8Array): KavachKeyPair {
  return KavachKeyPair.fromSecretBytes(bytes);
}
