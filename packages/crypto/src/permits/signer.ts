/** Seals permits. Whatever arrives while a signature is being made becomes the next batch, so load makes permits cheaper. */
import { type Clock, LIMITS, type SealedToken } from "@kavach/model";
import { SYSTEM_CLOCK } from "@kavach/system";
import { DOMAINS, HYBRID_SUITE, isSuite, type Suite } from "../algorithms.ts";
import { CryptoError } from "../errors.ts";
import { expectKeyPair, type KavachKeyPair, signingKeysOf } from "../keys/key-pair.ts";
import { KeyRing } from "../keys/key-ring.ts";
import { expiresAtMsOf, keyIdOf } from "../keys/public-key-bundle.ts";
import { optionsOf } from "../no-other-option.ts";
import { sha256 } from "../provider.ts";
import { signWithSuite } from "../suite-signature.ts";
import { encodeClaims, type PermitClaimsInit } from "./claims.ts";
import { LEAF_PREFIX_BYTES, treeOfHashes } from "./merkle.ts";
import { encodeHead, headBody, SealedPermit } from "./token.ts";

export interface PermitSignerOptions {
  /** One key for good. Give this or `keyRing`. */
  readonly keyPair?: KavachKeyPair;
  /** Signs with whatever key is active when a permit arrives. */
  readonly keyRing?: KeyRing;
  /** Absent: this machine's. */
  readonly clock?: Clock;
  /** Default: hybrid. */
  readonly suite?: Suite;
  /** Most permits under one signature, 1 to 512. Default 512. */
  readonly batchMax?: number;
  /**
   * Milliseconds, 1 to 1000, default 5. So long a batch may take in permits that keep arriving, turn by turn of the event loop; and so
   * long a permit waits for a signature that is still being made, before the next one is begun beside it. A lone permit never waits.
   */
  readonly batchWaitMs?: number;
}

/** The key that one permit is signed with. */
interface SealingKey {
  readonly keyPair: KavachKeyPair;
  readonly suite: Suite;
  readonly keyId: string;
  /** Kept, because every permit asks. */
  readonly expiresAtMs: number;
}

interface Waiting {
  readonly claims: Uint8Array;
  /** Of the claims as a leaf of the tree. */
  readonly hash: Uint8Array;
  readonly key: SealingKey;
  readonly resolve: (permit: SealedPermit) => void;
  readonly reject: (error: unknown) => void;
}

/** One signature at a time, and one more beside it when the first takes too long. */
const IN_FLIGHT_MAX = 2;
const OPTIONS: ReadonlySet<string> = new Set(["keyPair", "keyRing", "clock", "suite", "batchMax", "batchWaitMs"]);

/** Seals permits of format 2 (docs/security/permits.md): heads of RFC 9162 trees, signed off the event loop. A gate takes it as `tokenSigner`. */
export class PermitSigner {
  /** What its permits are signed with, and a verifier must be built for. */
  readonly suite: Suite;
  readonly #activeKeyPair: () => KavachKeyPair;
  #key: SealingKey;
  readonly #clock: Clock;
  readonly #batchMax: number;
  readonly #batchWaitMs: number;
  readonly #queue: Waiting[] = [];
  readonly #batches = new Set<Promise<void>>();
  #startAsked: boolean = false;
  #overdue: NodeJS.Timeout | undefined;
  #closed: boolean = false;

  /** Throws CryptoError `OPTION_INVALID`, `KEY_CORRUPT`, `KEY_DISPOSED` or `KEY_EXPIRED`. */
  constructor(options: PermitSignerOptions) {
    const {
      keyPair,
      keyRing,
      clock = SYSTEM_CLOCK,
      suite = HYBRID_SUITE,
      batchMax = LIMITS.permitBatchMax,
      batchWaitMs = 5,
    } = optionsOf(options);
    const unknown = Object.keys(options).find((name) => !OPTIONS.has(name));
    if (unknown !== undefined) throw new CryptoError("OPTION_INVALID", `unknown option ${unknown}`);
    if (!isSuite(suite)) throw new CryptoError("OPTION_INVALID", "unknown suite");
    expectWhole("batchMax", batchMax, LIMITS.permitBatchMax);
    expectWhole("batchWaitMs", batchWaitMs, 1000);
    if ((keyPair === undefined) === (keyRing === undefined)) {
      throw new CryptoError("OPTION_INVALID", "give keyPair or keyRing");
    }
    if (keyRing !== undefined && !(keyRing instanceof KeyRing)) {
      throw new CryptoError("OPTION_INVALID", "keyRing is a KeyRing");
    }
    if (typeof clock?.nowMs !== "function") throw new CryptoError("OPTION_INVALID", "clock is a Clock");
    this.#activeKeyPair = () => (keyRing === undefined ? (keyPair as KavachKeyPair) : keyRing.active);
    this.#clock = clock;
    this.suite = suite;
    this.#batchMax = batchMax;
    this.#batchWaitMs = batchWaitMs;
    this.#key = sealingKeyOf(this.#activeKeyPair(), suite);
    signingKeysOf(this.#key.keyPair);
    this.#expectLiveKey(this.#key);
  }

  /** Of the key that signs now. */
  get keyId(): string {
    return this.#currentKey().keyId;
  }

  /** When the key that signs now expires, Unix milliseconds; infinite where it never does. No permit may outlive it. */
  get keyExpiresAtMs(): number {
    return this.#currentKey().expiresAtMs;
  }

  /**
   * The bytes of a SignedPermit. Rejects with CryptoError: `CLAIMS_INVALID`, `KEY_EXPIRED`, `KEY_EXPIRES_FIRST`, `KEY_DISPOSED`,
   * `SIGNER_CLOSED`, `SIGNING_FAILED`.
   */
  async seal(init: PermitClaimsInit): Promise<Uint8Array<ArrayBuffer>> {
    return (await this.#enqueue(init)).toBytes();
  }

  /** The same, for whoever puts the bytes where they are sent from. Rejects as `seal` does. */
  sealToken(init: PermitClaimsInit): Promise<SealedToken> {
    try {
      return this.#enqueue(init);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #enqueue(init: PermitClaimsInit): Promise<SealedPermit> {
    if (this.#closed) throw new CryptoError("SIGNER_CLOSED", "the signer is closed");
    const key = this.#currentKey();
    this.#expectLiveKey(key);
    const leaf = encodeClaims(init, key, LEAF_PREFIX_BYTES);
    leaf.fill(0, 0, LEAF_PREFIX_BYTES);
    if (init.expiresAtMs > key.expiresAtMs) {
      throw new CryptoError("KEY_EXPIRES_FIRST", "the permit would outlive its key");
    }
    return new Promise((resolve, reject) => {
      this.#queue.push({ claims: leaf.subarray(LEAF_PREFIX_BYTES), hash: sha256(leaf), key, resolve, reject });
      this.#askForStart();
    });
  }

  /** Signs what is waiting, refuses what comes later. Resolves when the last permit is out. Never rejects. */
  async close(): Promise<void> {
    this.#closed = true;
    while (this.#queue.length > 0 || this.#batches.size > 0) {
      this.#start(1);
      await Promise.all(this.#batches);
    }
  }

  /**
   * As soon as a turn of the event loop has brought no further permit, so that calls which arrive together are signed together. Started at the
   * first of them, a signature would take the processor from the others, which would then need another one.
   */
  #askForStart(): void {
    if (this.#startAsked || this.#queue.length === 0) return;
    this.#startAsked = true;
    const untilMs = this.#clock.monotonicMs() + this.#batchWaitMs;
    let collected = 0;
    const turn = () => {
      const arrived = this.#queue.length;
      if (arrived > collected && arrived < this.#batchMax && this.#clock.monotonicMs() < untilMs) {
        collected = arrived;
        setImmediate(turn);
      } else {
        this.#startAsked = false;
        this.#start(1);
      }
    };
    turn();
  }

  /** Takes the next batch, unless `inFlightMax` signatures are already being made. */
  #start(inFlightMax: number): void {
    if (this.#queue.length > 0 && this.#batches.size < inFlightMax) {
      const batch = this.#sealBatch(this.#takeBatch()).finally(() => {
        this.#batches.delete(batch);
        this.#askForStart();
      });
      this.#batches.add(batch);
    }
    this.#watchWaiting();
  }

  /** A batch is signed with one key: the first permit of another key ends it. */
  #takeBatch(): readonly Waiting[] {
    const key = this.#queue[0]?.key;
    const other = this.#queue.findIndex((waiting) => waiting.key !== key);
    return this.#queue.splice(0, other < 0 ? this.#batchMax : Math.min(other, this.#batchMax));
  }

  #currentKey(): SealingKey {
    const keyPair = this.#activeKeyPair();
    if (keyPair !== this.#key.keyPair) this.#key = sealingKeyOf(keyPair, this.suite);
    return this.#key;
  }

  #watchWaiting(): void {
    if (this.#queue.length === 0) {
      clearTimeout(this.#overdue);
      this.#overdue = undefined;
    } else {
      this.#overdue ??= setTimeout(() => {
        this.#overdue = undefined;
        this.#start(IN_FLIGHT_MAX);
      }, this.#batchWaitMs);
    }
  }

  /** Settles every permit of the batch; never rejects. */
  async #sealBatch(batch: readonly Waiting[]): Promise<void> {
    try {
      const { key } = batch[0] as Waiting;
      // The key may have expired while the batch waited.
      this.#expectLiveKey(key);
      const { root, paths } = treeOfHashes(batch.map(({ hash }) => hash));
      const head = { suite: this.suite, keyId: key.keyId, size: batch.length, root };
      const signature = await signWithSuite(this.suite, DOMAINS.permit, key.keyPair, headBody(head));
      const headBytes = encodeHead(head, signature);
      for (const [index, { claims, resolve }] of batch.entries()) {
        resolve(new SealedPermit(claims, index, paths[index] ?? [], headBytes));
      }
    } catch (cause) {
      const error =
        cause instanceof CryptoError
          ? cause
          : new CryptoError("SIGNING_FAILED", "the permit was not signed", { cause });
      for (const { reject } of batch) reject(error);
    }
  }

  /** Written so that a time that is no number counts as expired. */
  #expectLiveKey({ expiresAtMs }: SealingKey): void {
    if (!(this.#clock.nowMs() < expiresAtMs)) throw new CryptoError("KEY_EXPIRED", "the signing key has expired");
  }
}

const sealingKeyOf = (keyPair: KavachKeyPair, suite: Suite): SealingKey => ({
  keyPair: expectKeyPair(keyPair),
  suite,
  keyId: keyIdOf(keyPair.publicKeys(), suite),
  expiresAtMs: expiresAtMsOf(keyPair.publicKeys()),
});

function expectWhole(name: string, value: number, max: number): void {
  if (Number.isSafeInteger(value) && value >= 1 && value <= max) return;
  throw new CryptoError("OPTION_INVALID", `${name} is a whole number from 1 to ${max}`);
}
