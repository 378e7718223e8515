/** The wire form of a signed permit. Written by hand because one head of 3.5 KB is shared by up to 512 permits. */
import { fromBinary } from "@bufbuild/protobuf";
import { type SignedPermit, SignedPermitSchema, type SignedTreeHead } from "@kavach/api";
import { LIMITS, type SealedToken } from "@kavach/model";
import { bytesSize, itemSize, numberSize, PlainWriter, textSize } from "@kavach/protobuf";
import { ED25519, isSuite, ML_DSA_65, SUITE_HAS_ED25519, type Suite } from "../algorithms.ts";
import { equalBytes, frame, uint32, utf8 } from "../framing.ts";
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
export function encodeHead({ suite, keyId, size, root }: TreeHead, signature: SuiteSignature): Uint8Array<ArrayBuffer> {
  const { mlDsa, ed25519 } = signature;
  const writer = new PlainWriter(
    textSize(1, suite) +
      textSize(2, keyId) +
      numberSize(3, size) +
      bytesSize(4, root.length) +
      bytesSize(5, mlDsa.length) +
      bytesSize(6, ed25519.length),
  );
  writer.text(1, suite);
  writer.text(2, keyId);
  writer.number(3, size);
  writer.raw(4, root);
  writer.raw(5, mlDsa);
  writer.raw(6, ed25519);
  return writer.finish();
}

/** SignedPermit as canonical protobuf. `head`: a serialised SignedTreeHead. */
export function encodeToken(
  claims: Uint8Array,
  index: number,
  path: readonly Uint8Array[],
  head: Uint8Array,
): Uint8Array<ArrayBuffer> {
  return new SealedPermit(claims, index, path, head).toBytes();
}

/** A SignedPermit in its parts: one head of 3.5 KB is shared by all permits of a batch until each of them is sent. */
export class SealedPermit implements SealedToken {
  readonly size: number;
  readonly #claims: Uint8Array;
  readonly #index: number;
  readonly #path: readonly Uint8Array[];
  readonly #head: Uint8Array;

  constructor(claims: Uint8Array, index: number, path: readonly Uint8Array[], head: Uint8Array) {
    let size = bytesSize(1, claims.length) + numberSize(2, index) + bytesSize(4, head.length);
    for (const hash of path) size += itemSize(3, hash.length);
    this.size = size;
    this.#claims = claims;
    this.#index = index;
    this.#path = path;
    this.#head = head;
  }

  writeTo(bytes: Uint8Array, at: number): void {
    const writer = new PlainWriter(this.size, at, bytes);
    writer.raw(1, this.#claims);
    writer.number(2, this.#index);
    for (const hash of this.#path) writer.rawItem(3, hash);
    writer.raw(4, this.#head);
    writer.finish();
  }

  toBytes(): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(this.size);
    this.writeTo(bytes, 0);
    return bytes;
  }
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
