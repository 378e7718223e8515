/**
 * Messages of format 2. Context, correlation, sender and time travel encrypted; they, and both key exchanges, are in the signed bytes
 * and in what the encryption is bound to. Keys serve one message.
 */
import { AEAD, DOMAINS, ED25519, KEM, ML_DSA_65, SUITE_HAS_ED25519, X25519 } from "../algorithms.ts";
import { ChannelError } from "../errors.ts";
import { concat, equalBytes, frame, uint64, unframe, utf8 } from "../framing.ts";
import { type AeadBox, provider, sha256 } from "../provider.ts";
import { signWithSuite, verifyWithSuite } from "../suite-signature.ts";
import { acceptOffer, identityOf, offerTo } from "./exchange.ts";
import { type ChannelEnds, type ChannelFormat, type Opened, type Outgoing, PLAINTEXT_BYTES_MAX } from "./format.ts";

const TAG = utf8("kavach-channel-v2");
const SIGNED = utf8("signed");
const DATA = utf8("data");
const IDENTITY_BYTES = 32;
const MESSAGE_ID_BYTES = 16;
/** Beside the plaintext: exchange, header, signatures and frames. */
const OVERHEAD_BYTES_MAX = 16 * 1024;

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** What is in the clear: tag, kind, suite, recipient, and both key exchanges. */
interface Outer {
  readonly bytes: Uint8Array;
  readonly kind: Uint8Array;
  readonly suite: Uint8Array;
  readonly recipient: Uint8Array;
  readonly kemCiphertext: Uint8Array;
  readonly ephemeralKey: Uint8Array;
}

/** Two keys and nonces for one message, 88 bytes of HKDF, bound to all that is in the clear. */
function boxesOf(secret: Uint8Array, outer: Uint8Array) {
  const { keyBytes, nonceBytes } = AEAD;
  const bytes = provider.hkdf(secret, TAG, sha256(outer), 2 * (keyBytes + nonceBytes));
  const box = (start: number) => ({
    key: bytes.subarray(start, start + keyBytes),
    nonce: bytes.subarray(start + keyBytes, start + keyBytes + nonceBytes),
  });
  return {
    header: { ...box(0), associated: outer } satisfies AeadBox,
    body: (header: Uint8Array): AeadBox => ({ ...box(keyBytes + nonceBytes), associated: frame(outer, header) }),
    wipe: () => bytes.fill(0),
  };
}

interface Drafted {
  readonly outer: Uint8Array<ArrayBuffer>;
  readonly header: Uint8Array<ArrayBuffer>;
  readonly boxes: ReturnType<typeof boxesOf>;
}

function draft({ local, remote, suite }: ChannelEnds, kind: Uint8Array, message: Outgoing): Drafted {
  const { kemCiphertext, ephemeralKey, secret } = offerTo(remote);
  const outer = frame(TAG, kind, utf8(suite), identityOf(remote), kemCiphertext, ephemeralKey);
  const boxes = boxesOf(secret, outer);
  secret.fill(0);
  const { contextId, correlationId, sentAtMs } = message;
  const sender = identityOf(local.publicKeys());
  const messageId = provider.randomBytes(MESSAGE_ID_BYTES);
  const header = frame(sender, utf8(contextId), utf8(correlationId), uint64(sentAtMs), messageId);
  return { outer, header, boxes };
}

function finish({ outer, header, boxes }: Drafted, content: Uint8Array): Uint8Array<ArrayBuffer> {
  const sealed = [provider.encrypt(boxes.header, header), provider.encrypt(boxes.body(header), content)];
  boxes.wipe();
  return concat(outer, frame(...sealed));
}

const malformed = () => new ChannelError("MALFORMED", "the bytes are no message of format 2");
const tampered = () => new ChannelError("TAMPERED", "the message was changed after it was sealed");

function splitSealed(sealed: Uint8Array): Outer & { readonly parts: readonly Uint8Array[] } {
  const whole = sealed.length <= PLAINTEXT_BYTES_MAX + OVERHEAD_BYTES_MAX ? unframe(sealed, 8) : undefined;
  if (whole === undefined) throw malformed();
  const [tag, kind, suite, recipient, kemCiphertext, ephemeralKey, ...parts] = whole as [
    ...[Uint8Array, Uint8Array, Uint8Array, Uint8Array, Uint8Array, Uint8Array],
    ...Uint8Array[],
  ];
  const shaped =
    equalBytes(tag, TAG) &&
    (equalBytes(kind, SIGNED) || equalBytes(kind, DATA)) &&
    recipient.length === IDENTITY_BYTES &&
    kemCiphertext.length === KEM.ciphertextBytes &&
    ephemeralKey.length === X25519.publicBytes;
  if (!shaped) throw malformed();
  const bytes = frame(tag, kind, suite, recipient, kemCiphertext, ephemeralKey);
  return { bytes, kind, suite, recipient, kemCiphertext, ephemeralKey, parts };
}

interface Unsealed {
  readonly outer: Outer;
  readonly header: Uint8Array;
  readonly content: Uint8Array<ArrayBuffer>;
}

function unseal({ local, remote, suite }: ChannelEnds, sealed: Uint8Array, kind: Uint8Array): Unsealed {
  const { parts, ...outer } = splitSealed(sealed);
  if (!equalBytes(outer.kind, kind)) {
    throw kind === SIGNED
      ? new ChannelError("UNSIGNED", "the message carries no signature")
      : new ChannelError("SIGNED", "the message is a signed one");
  }
  if (!equalBytes(outer.suite, utf8(suite))) throw new ChannelError("SUITE_MISMATCH", `the channel expects '${suite}'`);
  if (!equalBytes(outer.recipient, identityOf(local.publicKeys()))) {
    throw new ChannelError("WRONG_RECIPIENT", "the message was sealed for somebody else");
  }
  const secret = acceptOffer(local, outer.kemCiphertext, outer.ephemeralKey);
  const boxes = boxesOf(secret, outer.bytes);
  secret.fill(0);
  const [sealedHeader, sealedContent] = parts as [Uint8Array, Uint8Array];
  const header = provider.decrypt(boxes.header, sealedHeader);
  const content = header && provider.decrypt(boxes.body(header), sealedContent);
  boxes.wipe();
  if (header === undefined || content === undefined) throw tampered();
  const sender = unframe(header, 5)?.[0];
  if (sender === undefined) throw malformed();
  if (!equalBytes(sender, identityOf(remote))) {
    throw new ChannelError("WRONG_SENDER", "the message comes from somebody else");
  }
  return { outer, header, content };
}

function readHeader(header: Uint8Array): Omit<Opened, "plaintext"> {
  const [, context, correlation, sentAt, messageId] = unframe(header, 5) as Uint8Array[];
  const shaped = sentAt?.length === 8 && messageId?.length === MESSAGE_ID_BYTES;
  if (!shaped || context === undefined || correlation === undefined) throw malformed();
  try {
    const sentAtMs = Number(new DataView(sentAt.buffer, sentAt.byteOffset, 8).getBigUint64(0));
    return { contextId: decoder.decode(context), sentAtMs, messageId: Buffer.from(messageId).toString("hex") };
  } catch {
    throw malformed();
  }
}

export const formatTwo: ChannelFormat = {
  async sealSigned(ends, message) {
    const drafted = draft(ends, SIGNED, message);
    const body = frame(drafted.outer, drafted.header, message.plaintext);
    const { mlDsa, ed25519 } = await signWithSuite(ends.suite, DOMAINS.channelMessage, ends.local, body);
    return finish(drafted, frame(message.plaintext, mlDsa, ed25519));
  },

  sealData: (ends, message) => finish(draft(ends, DATA, message), message.plaintext),

  async openSigned(ends, sealed) {
    const { outer, header, content } = unseal(ends, sealed, SIGNED);
    const { suite, remote } = ends;
    const [plaintext, mlDsa, ed25519] = unframe(content, 3) ?? [];
    const ed25519Bytes = SUITE_HAS_ED25519[suite] ? ED25519.signatureBytes : 0;
    const shaped = mlDsa?.length === ML_DSA_65.signatureBytes && ed25519?.length === ed25519Bytes;
    if (plaintext === undefined || !shaped) throw malformed();
    const body = frame(outer.bytes, header, plaintext);
    if (!(await verifyWithSuite(suite, DOMAINS.channelMessage, remote, body, { mlDsa, ed25519 }))) {
      throw new ChannelError("SIGNATURE_INVALID", "the message was not signed by the sender who is expected");
    }
    return { plaintext: plaintext.slice() as Uint8Array<ArrayBuffer>, ...readHeader(header) };
  },

  openData: (ends, sealed) => unseal(ends, sealed, DATA).content,
};
