/** A signed link of a chain of format 1: its JSON line, its hash, and the walk that verifies link after link. */
import {
  jsonMember,
  jsonText,
  type PublicKeyBundle,
  parseJsonStrictly,
  payloadFromJson,
  payloadToJson,
  type SignedPayload,
  type Suite,
  sha256,
  signedInstantText,
  suiteOfPayload,
  verifyPayload,
} from "@kavach/crypto";
import { AuditChainError } from "./errors.ts";

export const GENESIS = "genesis";

export interface Link {
  readonly index: number;
  readonly previousHash: string;
  readonly payload: SignedPayload;
  readonly entryHash: string;
}

const utf8 = (text: string) => new TextEncoder().encode(text);

/** SHA-256, lower hex, over index (uint64, little-endian), previous hash, data, signatures, nonce, and time as it is signed. */
export function linkHash(index: number, previousHash: string, payload: SignedPayload): string {
  const number = new Uint8Array(8);
  new DataView(number.buffer).setBigUint64(0, BigInt(index), true);
  const digest = sha256(
    number,
    utf8(previousHash),
    payload.data,
    payload.mlDsaSignature,
    payload.ed25519Signature ?? new Uint8Array(0),
    utf8(payload.nonce),
    utf8(signedInstantText(payload.signedAt)),
  );
  return Buffer.from(digest).toString("hex");
}

/** Without a line break. */
export function linkToLine({ index, previousHash, payload, entryHash }: Link): string {
  const json = { index, previous_hash: previousHash, signed_payload: payloadToJson(payload), entry_hash: entryHash };
  return JSON.stringify(json);
}

/** Throws AuditChainError `ENTRY_UNREADABLE` with `place`. Unknown names are ignored, as existing readers do. */
export function linkFromLine(line: string, place: number): Link {
  try {
    const json = parseJsonStrictly(line);
    const index = jsonMember(json, "index");
    if (!Number.isSafeInteger(index) || (index as number) < 0) throw new TypeError("index: not a whole number");
    return {
      index: index as number,
      previousHash: jsonText(json, "previous_hash"),
      payload: payloadFromJson(jsonMember(json, "signed_payload")),
      entryHash: jsonText(json, "entry_hash"),
    };
  } catch (cause) {
    throw new AuditChainError("ENTRY_UNREADABLE", "the line is no entry", place, { cause });
  }
}

/** Follows a chain from where it is told. */
export class ChainWalk {
  readonly #bundle: PublicKeyBundle;
  readonly #wanted: Suite | undefined;
  #suite: Suite | undefined;
  #next: number;
  #hash: string;
  readonly #first: number;

  /** `wanted` undefined: the first link decides, and whoever wrote it decides what protects the rest. */
  constructor(bundle: PublicKeyBundle, wanted: Suite | undefined, next = 0, hash = GENESIS) {
    this.#bundle = bundle;
    this.#wanted = wanted;
    this.#next = next;
    this.#first = next;
    this.#hash = hash;
  }

  /** Links that were verified. */
  get count(): number {
    return this.#next - this.#first;
  }

  /** Throws AuditChainError. */
  step(link: Link): void {
    const place = this.#next;
    const suite = suiteOfPayload(link.payload);
    if (this.#wanted !== undefined && suite !== this.#wanted && this.count === 0) {
      throw new AuditChainError("MODE_MISMATCH", `the chain is '${suite}', not '${this.#wanted}'`);
    }
    this.#suite ??= suite;
    if (suite !== this.#suite) throw new AuditChainError("MODE_MIXED", `'${suite}' after '${this.#suite}'`, place);
    if (link.index !== this.#next) {
      throw new AuditChainError("ORDER_BROKEN", `has index ${link.index} instead of ${this.#next}`, place);
    }
    if (link.previousHash !== this.#hash) throw new AuditChainError("LINK_BROKEN", "does not follow", place);
    if (!verifyPayload(link.payload, suite, this.#bundle)) {
      throw new AuditChainError("SIGNATURE_INVALID", "a signature does not verify", place);
    }
    if (link.entryHash !== linkHash(link.index, link.previousHash, link.payload)) {
      throw new AuditChainError("HASH_MISMATCH", "its hash is not that of its content", place);
    }
    this.#next++;
    this.#hash = link.entryHash;
  }
}
