/** What a channel asks of a message format: to seal and to open. Context, age and replay are the channel's own to judge. */
import type { Suite } from "../algorithms.ts";
import type { KavachKeyPair } from "../keys/key-pair.ts";
import type { PublicKeyBundle } from "../keys/public-key-bundle.ts";

/** Most bytes of one message. */
export const PLAINTEXT_BYTES_MAX = 16 * 1024 * 1024;

export interface ChannelEnds {
  readonly local: KavachKeyPair;
  readonly remote: PublicKeyBundle;
  readonly suite: Suite;
}

export interface Outgoing {
  readonly plaintext: Uint8Array;
  readonly contextId: string;
  readonly correlationId: string;
  /** Unix milliseconds, whole. */
  readonly sentAtMs: number;
}

export interface Opened {
  readonly plaintext: Uint8Array<ArrayBuffer>;
  readonly contextId: string;
  /** Unix milliseconds. */
  readonly sentAtMs: number;
  /** Tells messages of one sender apart. */
  readonly messageId: string;
}

export interface ChannelFormat {
  sealSigned(ends: ChannelEnds, message: Outgoing): Promise<Uint8Array<ArrayBuffer>>;
  sealData(ends: ChannelEnds, message: Outgoing): Uint8Array<ArrayBuffer>;
  /** Resolves only when every signature of the suite verifies. Rejects with ChannelError. */
  openSigned(ends: ChannelEnds, sealed: Uint8Array): Promise<Opened>;
  /** Throws ChannelError. */
  openData(ends: ChannelEnds, sealed: Uint8Array): Uint8Array<ArrayBuffer>;
}
