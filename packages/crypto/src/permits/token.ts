/** The wire form of a signed permit. Written by hand because one head of 4 KB is shared by up to 512 permits. */
import { fromBinary } from "@bufbuild/protobuf";
import { type SignedPermit, SignedPermitSchema, type SignedTreeHead } from "@kavach/api";
import { LIMITS } from "@kavach/model";
import { ED25519, isSuite, ML_DSA_65, SUITE_HAS_ED25519, type Suite } from "../algorithms.ts";
import { concat, equalBytes, frame, uint32, utf8 } from "../framing.ts";
import type { SuiteSignature } from "../suite-signature.ts";
import { HASH_BYTES } from "./merkle.ts";

/** What is longer is no permit. */
export const TOKEN_BYTES_MAX = 64 * 1024;
/** Height of a tree of 512. */
const PATH_MAX = 9;
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

/** SignedTreeHead as canonical protobuf. */
export function encodeHead(head: TreeHead, signature: SuiteSignature): Uint8Array<ArrayBuffer> {
  return concat(
    ...bytesField(1, utf8(head.suite)),
    ...bytesField(2, utf8(head.keyId)),
    numberField(3, head.size),
    ...bytesField(4, head.root),
    ...bytesField(5, signature.mlDsa),
    ...bytesField(6, signature.ed25519),
  );
}

/** SignedPermit as canonical protobuf. `head`: a serialised SignedTreeHead. */
export function encodeToken(
  claims: Uint8Array,
  index: number,
  path: readonly Uint8Array[],
  head: Uint8Array,
): Uint8Array<ArrayBuffer> {
  return concat(
    ...bytesField(1, claims),
    numberField(2, index),
    ...path.flatMap((hash) => bytesField(3, hash)),
    ...bytesField(4, head),
  );
}

/** Protobuf leaves out what is empty or zero. `field`: 1 to 15, so that its tag is one byte. */
function bytesField(field: number, bytes: Uint8Array): Uint8Array[] {
  return bytes.length === 0 ? [] : [Uint8Array.of((field << 3) | 2, ...varint(bytes.length)), bytes];
}

function numberField(field: number, value: number): Uint8Array {
  return value === 0 ? new Uint8Array(0) : Uint8Array.of(field << 3, ...varint(value));
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
  let permit: SignedPermit;
  try {
    permit = fromBinary(SignedPermitSchema, token, { readUnknownFields: false });
  } catch {
    return undefined;
  }
  const { claims, index, path, head: signed } = permit;
  const head = signed && headOf(signed);
  const signature = signed && head && signatureOf(signed, head.suite);
  if (head === undefined || signature === undefined) return undefined;
  if (claims.length === 0 || index >= head.size) return undefined;
  if (path.length > PATH_MAX || path.some((hash) => hash.length !== HASH_BYTES)) return undefined;
  const headBytes = encodeHead(head, signature);
  // Unknown fields, repeated fields and over-long numbers all come out otherwise than they went in.
  if (!equalBytes(encodeToken(claims, index, path, headBytes), token)) return undefined;
  return { claims, index, path, head, signature, headBytes };
}

function headOf(message: SignedTreeHead): TreeHead | undefined {
  const { suite, keyId, size, root } = message;
  const whole =
    isSuite(suite) &&
    KEY_ID_FORM.test(keyId) &&
    size >= 1 &&
    size <= LIMITS.permitBatchMax &&
    root.length === HASH_BYTES;
  return whole ? { suite, keyId, size, root } : undefined;
}

function signatureOf(message: SignedTreeHead, suite: Suite): SuiteSignature | undefined {
  const { mlDsaSignature: mlDsa, ed25519Signature: ed25519 } = message;
  const ed25519Bytes = SUITE_HAS_ED25519[suite] ? ED25519.signatureBytes : 0;
  return mlDsa.length === ML_DSA_65.signatureBytes && ed25519.length === ed25519Bytes ? { mlDsa, ed25519 } : undefined;
}
