/** Makes permits that no signer would make, for tests that attack the verifier. */
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { type PermitClaims, PermitClaimsSchema, type SignedPermit, SignedPermitSchema } from "@kavach/api";
import { DOMAINS, type Domain, type Suite } from "../algorithms.ts";
import type { KavachKeyPair } from "../keys/key-pair.ts";
import { signWithSuite } from "../suite-signature.ts";
import { treeOf } from "./merkle.ts";
import { encodeHead, encodeToken, headBody } from "./token.ts";

export interface Forgery {
  readonly keyPair: KavachKeyPair;
  /** Serialised, of any content. */
  readonly claims: Uint8Array;
  readonly suite: Suite;
  readonly keyId: string;
  readonly domain?: Domain;
}

/** A permit whose signatures are right for what it holds, whatever that is. */
export async function forge(forgery: Forgery): Promise<Uint8Array<ArrayBuffer>> {
  const { keyPair, claims, suite, keyId, domain = DOMAINS.permit } = forgery;
  const head = { suite, keyId, size: 1, root: treeOf([claims]).root };
  const signature = await signWithSuite(suite, domain, keyPair, headBody(head));
  return encodeToken(claims, 0, [], encodeHead(head, signature));
}

export const readToken = (token: Uint8Array): SignedPermit => fromBinary(SignedPermitSchema, token);

/** The token with one part changed, its signatures left as they were. */
export function alterToken(token: Uint8Array, change: (permit: SignedPermit) => void): Uint8Array {
  const permit = readToken(token);
  change(permit);
  return toBinary(SignedPermitSchema, permit);
}

export function alterClaims(token: Uint8Array, change: Partial<PermitClaims>): Uint8Array<ArrayBuffer> {
  const claims = fromBinary(PermitClaimsSchema, readToken(token).claims);
  return toBinary(PermitClaimsSchema, Object.assign(claims, change)) as Uint8Array<ArrayBuffer>;
}
