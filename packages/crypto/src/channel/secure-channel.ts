/** Bytes between two peers who know each other's public keys: encrypted to one, signed by the other, received once. */
import type { Clock } from "@kavach/model";
import { SYSTEM_CLOCK } from "@kavach/system";
import { HYBRID_SUITE, isSuite, type Suite } from "../algorithms.ts";
import { ChannelError, CryptoError } from "../errors.ts";
import { utf8 } from "../framing.ts";
import { type KavachKeyPair, openingKeysOf } from "../keys/key-pair.ts";
import { checkedBundle, expiresAtMsOf, type PublicKeyBundle } from "../keys/public-key-bundle.ts";
import { expectNoOther, optionsOf } from "../no-other-option.ts";
import { type ChannelFormat, PLAINTEXT_BYTES_MAX } from "./format.ts";
import { formatOne } from "./format-one.ts";
import { formatTwo } from "./format-two.ts";
import { ReplayMemory } from "./replay-memory.ts";

export interface SecureChannelOptions {
  /** `v1` speaks with the Python package 0.1.5, whose format binds less. Absent: format 2. Neither reads the other. */
  readonly compatibility?: "v1";
  /** Signatures made and demanded. Default: hybrid. */
  readonly suite?: Suite;
  /** Absent: this machine's. */
  readonly clock?: Clock;
  /** What was received. Hand in one that outlives the channel where channels to one peer come and go. Default: its own. */
  readonly replayMemory?: ReplayMemory;
}

/** Both at most 1024 bytes of UTF-8; empty: none. */
export interface SendOptions {
  /** What the message is for; the receiver must expect the same. */
  readonly contextId: string;
  /** What the message belongs to. */
  readonly correlationId: string;
}

export interface ReceiveOptions {
  readonly expectedContextId: string;
}

const ID_BYTES_MAX = 1024;

/**
 * One end of a channel: X25519 (RFC 7748) with an ephemeral key and ML-KEM-768 (FIPS 203), HKDF-SHA-256 (RFC 5869), ChaCha20-Poly1305 (RFC 8439).
 * Every message has keys of its own, so there is nothing to renew and no counter to run out.
 */
export class SecureChannel {
  readonly #local: KavachKeyPair;
  readonly #remote: PublicKeyBundle;
  readonly #format: ChannelFormat;
  readonly #suite: Suite;
  readonly #clock: Clock;
  readonly #replayMemory: ReplayMemory;

  /** Throws CryptoError `OPTION_INVALID`, `KEY_CORRUPT` or `KEY_DISPOSED`. */
  constructor(local: KavachKeyPair, remote: PublicKeyBundle, options: SecureChannelOptions = {}) {
    const { compatibility, suite = HYBRID_SUITE, clock = SYSTEM_CLOCK, replayMemory, ...unknown } = optionsOf(options);
    expectNoOther(unknown);
    if (compatibility !== undefined && compatibility !== "v1") {
      throw new CryptoError("OPTION_INVALID", "compatibility is 'v1' or absent");
    }
    if (!isSuite(suite)) throw new CryptoError("OPTION_INVALID", "unknown suite");
    // What only looks like one might remember nothing, and would be missed at the first message.
    if (replayMemory !== undefined && !(replayMemory instanceof ReplayMemory)) {
      throw new CryptoError("OPTION_INVALID", "replayMemory is a ReplayMemory");
    }
    openingKeysOf(local);
    this.#local = local;
    this.#remote = checkedBundle(remote);
    this.#format = compatibility === "v1" ? formatOne : formatTwo;
    this.#suite = suite;
    this.#clock = clock;
    this.#replayMemory = replayMemory ?? new ReplayMemory();
  }

  /** Id of this side's key pair. */
  get localKeyId(): string {
    return this.#local.id;
  }

  /** Id of the other side's bundle. */
  get remoteKeyId(): string {
    return this.#remote.id;
  }

  /**
   * Encrypts and signs, at most 16 MiB. Rejects with CryptoError: `CLAIMS_INVALID`, `OPTION_INVALID`, `KEY_EXPIRED` (either side's),
   * `KEY_DISPOSED`, `KEY_CORRUPT`.
   */
  async sendSigned(bytes: Uint8Array, options: SendOptions): Promise<Uint8Array<ArrayBuffer>> {
    const { contextId, correlationId, ...unknown } = optionsOf(options);
    expectNoOther(unknown);
    const message = {
      ...this.#outgoing(bytes),
      contextId: checkedId(contextId),
      correlationId: checkedId(correlationId),
    };
    return await this.#format.sealSigned(this.#ends(), message);
  }

  /**
   * Resolves once for each message, in whatever order they come. A message of another context is refused and may still be received
   * under its own. Rejects with ChannelError, and with CryptoError `CLAIMS_INVALID`, `OPTION_INVALID` or `KEY_DISPOSED`.
   */
  async receiveSigned(sealed: Uint8Array, options: ReceiveOptions): Promise<Uint8Array<ArrayBuffer>> {
    const { expectedContextId, ...unknown } = optionsOf(options);
    expectNoOther(unknown);
    const expected = checkedId(expectedContextId);
    this.#expectLiveKeys();
    const { plaintext, contextId, sentAtMs, messageId } = await this.#format.openSigned(this.#ends(), copied(sealed));
    if (contextId !== expected) throw new ChannelError("WRONG_CONTEXT", "the message was made for another context");
    this.#replayMemory.take(messageId, sentAtMs, this.#clock.nowMs());
    return plaintext;
  }

  /** Encrypts without signing: anybody can make such a message, and it can be received again. Errors as of `sendSigned`. */
  sendData(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
    return this.#format.sealData(this.#ends(), { ...this.#outgoing(bytes), contextId: "", correlationId: "" });
  }

  /** Throws ChannelError, and CryptoError `KEY_DISPOSED`. Says nothing about who sent it. */
  receiveData(sealed: Uint8Array): Uint8Array<ArrayBuffer> {
    this.#expectLiveKeys();
    return this.#format.openData(this.#ends(), copied(sealed));
  }

  #ends() {
    return { local: this.#local, remote: this.#remote, suite: this.#suite };
  }

  #outgoing(bytes: Uint8Array) {
    if (!(bytes instanceof Uint8Array) || bytes.length > PLAINTEXT_BYTES_MAX) {
      throw new CryptoError("CLAIMS_INVALID", `a message is at most ${PLAINTEXT_BYTES_MAX} bytes`);
    }
    const sentAtMs = Math.floor(this.#clock.nowMs());
    if (this.#hasExpired(sentAtMs)) throw new CryptoError("KEY_EXPIRED", "a key of the channel has expired");
    return { plaintext: new Uint8Array(bytes), sentAtMs };
  }

  #expectLiveKeys(): void {
    if (!this.#hasExpired(this.#clock.nowMs())) return;
    throw new ChannelError("KEY_EXPIRED", "a key of the channel has expired");
  }

  #hasExpired(nowMs: number): boolean {
    return this.#local.isExpiredAt(nowMs) || !(nowMs < expiresAtMsOf(this.#remote));
  }
}

function checkedId(id: string): string {
  if (typeof id === "string" && id.isWellFormed() && utf8(id).length <= ID_BYTES_MAX) return id;
  throw new CryptoError("CLAIMS_INVALID", `context and correlation are texts of at most ${ID_BYTES_MAX} bytes`);
}

/** The caller may use its buffer again while signatures are checked. */
function copied(sealed: Uint8Array): Uint8Array {
  if (!(sealed instanceof Uint8Array)) throw new ChannelError("MALFORMED", "a message is bytes");
  return new Uint8Array(sealed);
}
