/**
 * Messages of format 1, for conversation with existing Kavach peers. Context and correlation are encrypted but not signed, and nothing
 * covers `payload_id` and `auth_tag`: prefer format 2.
 */
import { uuidFromRandom } from "@kavach/model";
import { ChannelError, CryptoError } from "../errors.ts";
import { concat, utf8 } from "../framing.ts";
import { instantMs, instantText } from "../instant.ts";
import { provider } from "../provider.ts";
import { parseJsonStrictly } from "../strict-json.ts";
import {
  jsonBytes,
  jsonMember,
  jsonText,
  payloadFromJson,
  payloadToJson,
  type SignedPayload,
  signPayload,
  suiteOfPayload,
  verifyPayload,
} from "../v1/signed-payload.ts";
import { acceptOffer, offerTo } from "./exchange.ts";
import { type ChannelEnds, type ChannelFormat, PLAINTEXT_BYTES_MAX } from "./format.ts";

const SALT = utf8("kavach-pq-salt-v1");
const INFO = utf8("kavach-pq-channel-key-v1");
/** A byte is at most four characters of JSON, in an array inside another. */
const SEALED_BYTES_MAX = 18 * PLAINTEXT_BYTES_MAX;

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const randomUuid = () => uuidFromRandom(provider.randomBytes(16));

function keyOf(secret: Uint8Array): Uint8Array<ArrayBuffer> {
  const key = provider.hkdf(secret, SALT, INFO, 32);
  secret.fill(0);
  return key;
}

function seal({ remote }: ChannelEnds, plaintext: Uint8Array): Uint8Array<ArrayBuffer> {
  const { kemCiphertext, ephemeralKey, secret } = offerTo(remote);
  const nonce = provider.randomBytes(12);
  const box = { key: keyOf(secret), nonce, associated: utf8(remote.id) };
  const encrypted = provider.encrypt(box, plaintext);
  box.key.fill(0);
  const json = {
    kem_ciphertext: [...kemCiphertext],
    encrypted_data: [...encrypted],
    nonce: [...nonce],
    auth_tag: [],
    ephemeral_x25519_pk: [...ephemeralKey],
    recipient_key_id: remote.id,
    payload_id: randomUuid(),
  };
  return utf8(JSON.stringify(json));
}

/** Runs a reading of untrusted bytes; what cannot be read is malformed. */
function reading<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof ChannelError) throw error;
    if (error instanceof CryptoError && error.code === "KEY_DISPOSED") throw error;
    throw new ChannelError("MALFORMED", "the bytes are no message of format 1");
  }
}

function unseal({ local }: ChannelEnds, sealed: Uint8Array): Uint8Array<ArrayBuffer> {
  return reading(() => {
    if (sealed.length > SEALED_BYTES_MAX) throw new RangeError("too long");
    const json = parseJsonStrictly(decoder.decode(sealed));
    const encrypted = jsonBytes(json, "encrypted_data");
    const nonce = jsonBytes(json, "nonce");
    jsonBytes(json, "auth_tag");
    jsonText(json, "payload_id");
    const recipient = jsonText(json, "recipient_key_id");
    if (recipient !== local.id) throw new ChannelError("WRONG_RECIPIENT", "the message was sealed for somebody else");
    const [kem, ephemeral] = [jsonBytes(json, "kem_ciphertext"), jsonBytes(json, "ephemeral_x25519_pk")];
    const key = keyOf(acceptOffer(local, kem, ephemeral));
    const opened = provider.decrypt({ key, nonce, associated: utf8(recipient) }, encrypted);
    key.fill(0);
    if (opened === undefined) throw new ChannelError("TAMPERED", "the message was changed after it was sealed");
    return opened;
  });
}

/** Bytes that are not the JSON of a signed message were sealed by `sendData`. */
function readSigned(opened: Uint8Array): { readonly payload: SignedPayload; readonly contextId: string } {
  try {
    const json = parseJsonStrictly(decoder.decode(opened));
    const payload = payloadFromJson(jsonMember(json, "signed_payload"));
    jsonText(json, "correlation_id");
    return { payload, contextId: jsonText(json, "context_id") };
  } catch {
    throw new ChannelError("UNSIGNED", "the message carries no signature");
  }
}

export const formatOne: ChannelFormat = {
  async sealSigned(ends, { plaintext, contextId, correlationId, sentAtMs }) {
    const payload = signPayload(ends.suite, ends.local, plaintext, randomUuid(), instantText(sentAtMs));
    const json = { signed_payload: payloadToJson(payload), context_id: contextId, correlation_id: correlationId };
    return seal(ends, utf8(JSON.stringify(json)));
  },

  sealData: (ends, { plaintext }) => seal(ends, plaintext),

  async openSigned(ends, sealed) {
    const { payload, contextId } = readSigned(unseal(ends, sealed));
    if (suiteOfPayload(payload) !== ends.suite) {
      throw new ChannelError("SUITE_MISMATCH", `the channel expects '${ends.suite}'`);
    }
    if (!verifyPayload(payload, ends.suite, ends.remote)) {
      throw new ChannelError("SIGNATURE_INVALID", "the message was not signed by the sender who is expected");
    }
    const plaintext = concat(payload.data);
    // The nonce is a UUID here, or the signature would not have verified: the replay memory keeps no text of a peer's choice.
    return { plaintext, contextId, sentAtMs: instantMs(payload.signedAt), messageId: payload.nonce };
  },

  openData: unseal,
};
