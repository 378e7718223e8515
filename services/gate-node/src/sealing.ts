/** How a node signs permits: in the format that its settings name, under the key that is active in its ring. */
import {
  CryptoError,
  HYBRID_SUITE,
  type KavachKeyPair,
  type KeyRing,
  PermitSigner,
  PqTokenSigner,
} from "@kavach/crypto";
import { formatOneSealer, type PermitSealer } from "@kavach/gate";
import type { Clock } from "@kavach/model";

/** Of the node's permits, whatever their format, and of the manifest. */
export const SUITE = HYBRID_SUITE;

export type PermitFormat = "v1" | "v2";

export interface Sealing extends PermitSealer {
  /** Of the active key, as permits of the format name it. */
  readonly keyId: string;
  /** Resolves when what was asked for before is signed; later calls are rejected. */
  close(): Promise<void>;
}

export function sealingOf(format: PermitFormat, keyRing: KeyRing, clock: Clock): Sealing {
  return format === "v2" ? new PermitSigner({ keyRing, clock, suite: SUITE }) : new FormatOneSealing(keyRing, clock);
}

/** A signer of format 1 has one key for good, so there is one for each key that becomes active. */
class FormatOneSealing implements Sealing {
  readonly #ring: KeyRing;
  readonly #clock: Clock;
  readonly #signing = new Set<Promise<unknown>>();
  #current: { readonly keyPair: KavachKeyPair; readonly keyId: string; readonly sealer: PermitSealer } | undefined;
  #closed = false;

  constructor(ring: KeyRing, clock: Clock) {
    this.#ring = ring;
    this.#clock = clock;
  }

  get keyId(): string {
    return this.#active().keyId;
  }

  get keyExpiresAtMs(): number {
    return this.#active().sealer.keyExpiresAtMs;
  }

  async seal(...[claims]: Parameters<PermitSealer["seal"]>): ReturnType<PermitSealer["seal"]> {
    if (this.#closed) throw new CryptoError("SIGNER_CLOSED", "the signer is closed");
    const sealed = this.#active().sealer.seal(claims);
    this.#signing.add(sealed);
    return await sealed.finally(() => this.#signing.delete(sealed));
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled(this.#signing);
  }

  #active() {
    const keyPair = this.#ring.active;
    if (this.#current?.keyPair !== keyPair) {
      const signer = PqTokenSigner.fromKeypairHybrid(keyPair, { clock: this.#clock });
      this.#current = { keyPair, keyId: signer.keyId, sealer: formatOneSealer(signer) };
    }
    return this.#current;
  }
}
