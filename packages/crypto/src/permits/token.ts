/** The wire form of a signed permit. Written by hand because one head of 4 KB is shared by up to 512 permits. */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { type SignedPermit, SignedPermitSchema, type SignedTreeHead, SignedTreeHeadSchema } from "@kavach/api";
import { LIMITS } from "@kavach/model";
import { ED25519, isSuite, ML_DSA_65, SUITE_HAS_ED25519, type Suite } from "../algorithms.ts";
import { concat, equalBytes, frame, uint32, utf8 } from "../framing.ts";
import type { SuiteSignature } from "../suite-signature.ts";
import { HASH_BYTES } from "./merkle.ts";

export const TOKEN_BYTES_MAX = 64 * 1024;
const KEY_ID_FORM = /^[0-9a-f]{32}$/;

/** What a signer vouches for: one batch of permits. */
export interface TreeHead {
  readonly suite: Suite;
  readonly keyId: string;
  readonly size: number;
  readonly root: Uint8Array;
}

/** The body that is signed: suite, key id, size (uint32, big-endian) and root, each preceded by its length. */
export function headBody(head: TreeHead): Uint8Array<ArrayBuffer> {
  return frame(utf8(head.suite), utf8(head.keyId), uint32(head.size), head.root);
}

export function encodeHead(head: TreeHead, signature: SuiteSignature): Uint8Array<ArrayBuffer> {
  const message = create(SignedTreeHeadSchema, {
    ...head,
    mlDsaSignature: signature.mlDsa,
    ed25519Signature: signature.ed25519,
  });
  return toBinary(SignedTreeHeadSchema, message) as Uint8Array<ArrayBuffer>;
}

// Field numbers of SignedPermit, as protobuf tags.
const CLAIMS_TAG = 0x0a;
const INDEX_TAG = 0x10;
const PATH_TAG = 0x1a;
const HEAD_TAG = 0x22;

/** SignedPermit as canonical protobuf. `head`: a serialised SignedTreeHead. */
export function encodeToken(
  claims: Uint8Array,
  index: number,
  path: readonly Uint8Array[],
  head: Uint8Array,
): Uint8Array<ArrayBuffer> {
  return concat(
    Uint8Array.of(CLAIMS_TAG, ...varint(claims.length)),
    claims,
    index === 0 ? new Uint8Array(0) : Uint8Array.of(INDEX_TAG, ...varint(index)),
    ...path.flatMap((hash) => [Uint8Array.of(PATH_TAG, ...varint(hash.length)), hash]),
    Uint8Array.of(HEAD_TAG, ...varint(head.length)),
    head,
  );
}

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 0x7f; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  bytes.push(rest);
  return bytes;
}

export interface DecodedToken {
  readonly claims: Uint8Array;
  readonly index: number;
  readonly path: readonly Uint8Array[];
  readonly head: TreeHead;
  readonly signature: SuiteSignature;
  /** The signed head, serialised: what two permits of one batch have in common. */
  readonly headBytes: Uint8Array;
}

/** Undefined where the bytes are not the one canonical encoding of a permit, or a length or number is out of range. */
export function decodeToken(token: Uint8Array): DecodedToken | undefined {
  if (token.length > TOKEN_BYTES_MAX) return undefined;
  let permit: SignedPermit;
  try {
    permit = fromBinary(SignedPermitSchema, token, { readUnknownFields: false });
  } catch {
    return undefined;
  }
  const { claims, index, path, head } = permit;
  if (head === undefined || !isHead(head) || claims.length === 0) return undefined;
  if (index >= head.size || path.length > 9 || path.some((hash) => hash.length !== HASH_BYTES)) return undefined;
  const headBytes = toBinary(SignedTreeHeadSchema, head);
  if (!equalBytes(encodeToken(claims, index, path, headBytes), token)) return undefined;
  return {
    claims,
    index,
    path,
    head: { suite: head.suite as Suite, keyId: head.keyId, size: head.size, root: head.root },
    signature: { mlDsa: head.mlDsaSignature, ed25519: head.ed25519Signature },
    headBytes,
  };
}

function isHead(head: SignedTreeHead): boolean {
  if (!isSuite(head.suite)) return false;
  return (
    KEY_ID_FORM.test(head.keyId) &&
    head.size >= 1 &&
    head.size <= LIMITS.permitBatchMax &&
    head.root.length === HASH_BYTES &&
    head.mlDsaSignature.length === ML_DSA_65.signatureBytes &&
    head.ed25519Signature.length === (SUITE_HAS_ED25519[head.suite] ? ED25519.signatureBytes : 0)
  );
}
