/** Digests that permits are bound by: of the params, and the token id of a decision. */
import { canonicalJson, type Params } from "@kavach/model";
import { CryptoError } from "./errors.ts";
import { sha256Text } from "./provider.ts";

const NO_PARAMS = sha256Text("{}");

/** SHA-256 of the RFC 8785 form of the params object, 32 bytes. Throws CryptoError `CLAIMS_INVALID` for what JSON cannot say. */
export function paramsDigest(params: Params): Uint8Array<ArrayBuffer> {
  if (params.size === 0) return NO_PARAMS.slice();
  let text: string;
  try {
    // `fromEntries` defines own properties, so `__proto__` is a name like any other.
    text = canonicalJson(Object.fromEntries(params));
  } catch (cause) {
    throw new CryptoError("CLAIMS_INVALID", "params have no canonical form", { cause });
  }
  return sha256Text(text);
}

/**
 * The permit's id: the first 16 bytes of the digest of the whole request, realm and evaluation id included, in the form of a UUID of
 * version 8 (RFC 9562, section 5.8). So one decision has one token id however often it is retried.
 */
export function tokenIdOf(requestDigest: Uint8Array): Uint8Array<ArrayBuffer> {
  const id = new Uint8Array(16);
  for (let i = 0; i < 16; i++) id[i] = requestDigest[i] as number;
  id[6] = ((id[6] as number) & 0x0f) | 0x80;
  id[8] = ((id[8] as number) & 0x3f) | 0x80;
  return id;
}
