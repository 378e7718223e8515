import { describe, expect, it } from "vitest";
import { ChannelError, type ChannelErrorCode } from "../errors.ts";
import { frame, unframe, utf8 } from "../framing.ts";
import { clockAt, generate, NOW_MS } from "../permits/permit-fixture.ts";
import { ReplayMemory } from "./replay-memory.ts";
import { SecureChannel, type SecureChannelOptions } from "./secure-channel.ts";

const [alice, bob, mallory] = [generate(), generate(), generate()];
const PAYLOAD = utf8("permit: issue_refund");
const IDS = { contextId: "issue_refund", correlationId: "eval-1" };
const EXPECTED = { expectedContextId: "issue_refund" };

function channelOf(mine = bob, theirs = alice, options: SecureChannelOptions = {}) {
  return new SecureChannel(mine, theirs.publicKeys(), { clock: clockAt(NOW_MS), ...options });
}
const send = (options: SecureChannelOptions = {}) => channelOf(alice, bob, options).sendSigned(PAYLOAD, IDS);
const refused = (code: ChannelErrorCode) => expect.objectContaining({ name: "ChannelError", code });
const sealedFor = await send();

/** The message with one of its eight parts changed. */
function altered(part: number, change: (bytes: Uint8Array) => Uint8Array, sealed: Uint8Array = sealedFor): Uint8Array {
  const parts = unframe(sealed, 8) as Uint8Array[];
  return frame(...parts.map((bytes, index) => (index === part ? change(bytes) : bytes)));
}
const flip = (bytes: Uint8Array) => bytes.with(0, (bytes[0] as number) ^ 1);
const [KIND, SUITE, RECIPIENT, KEM, EPHEMERAL, HEADER, BODY] = [1, 2, 3, 4, 5, 6, 7] as const;

describe.each([{}, { compatibility: "v1" }, { suite: "ml-dsa-65" }] as const)("SecureChannel %o", (options) => {
  it("carries bytes there and back, signed and unsigned, empty ones too", async () => {
    const [a, b] = [channelOf(alice, bob, options), channelOf(bob, alice, options)];
    for (const bytes of [PAYLOAD, new Uint8Array(0), new Uint8Array(100_000).fill(255)]) {
      expect(await b.receiveSigned(await a.sendSigned(bytes, IDS), EXPECTED)).toEqual(bytes);
      expect(await a.receiveSigned(await b.sendSigned(bytes, IDS), EXPECTED)).toEqual(bytes);
      expect(b.receiveData(a.sendData(bytes))).toEqual(bytes);
    }
    expect([a.localKeyId, a.remoteKeyId]).toEqual([alice.id, bob.id]);
  });

  it("receives a signed message once, also when it comes twice at the same moment", async () => {
    const [a, b] = [channelOf(alice, bob, options), channelOf(bob, alice, options)];
    const sealed = await a.sendSigned(PAYLOAD, IDS);
    const received = await Promise.allSettled([b.receiveSigned(sealed, EXPECTED), b.receiveSigned(sealed, EXPECTED)]);
    expect(received.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
    await expect(b.receiveSigned(sealed, EXPECTED)).rejects.toEqual(refused("REPLAYED"));
  });

  it("refuses the wrong context, recipient, sender, kind and suite, each with its own reason", async () => {
    const sealed = await channelOf(alice, bob, options).sendSigned(PAYLOAD, IDS);
    const other = options.suite === undefined ? "ml-dsa-65" : "ml-dsa-65+ed25519";
    const receive = (on: SecureChannel, context = "issue_refund", bytes: Uint8Array = sealed) =>
      on.receiveSigned(bytes, { expectedContextId: context });
    await expect(receive(channelOf(bob, alice, options), "delete_order")).rejects.toEqual(refused("WRONG_CONTEXT"));
    await expect(receive(channelOf(mallory, alice, options))).rejects.toEqual(refused("WRONG_RECIPIENT"));
    await expect(receive(channelOf(bob, alice, { ...options, suite: other }))).rejects.toEqual(
      refused("SUITE_MISMATCH"),
    );
    const unsigned = channelOf(alice, bob, options).sendData(PAYLOAD);
    await expect(receive(channelOf(bob, alice, options), "", unsigned)).rejects.toEqual(refused("UNSIGNED"));
    const wrongSender = options.compatibility === "v1" ? "SIGNATURE_INVALID" : "WRONG_SENDER";
    await expect(receive(channelOf(bob, mallory, options))).rejects.toEqual(refused(wrongSender));
  });

  it("takes nothing that is older than the window or not sent yet, to the millisecond", async () => {
    const sealed = await channelOf(alice, bob, options).sendSigned(PAYLOAD, IDS);
    const at = (ms: number) =>
      channelOf(bob, alice, { ...options, clock: clockAt(ms) }).receiveSigned(sealed, EXPECTED);
    expect(await at(NOW_MS + 299_999)).toEqual(PAYLOAD);
    await expect(at(NOW_MS + 300_000)).rejects.toEqual(refused("TOO_OLD"));
    expect(await at(NOW_MS - 2000)).toEqual(PAYLOAD);
    await expect(at(NOW_MS - 2001)).rejects.toEqual(refused("NOT_YET_SENT"));
    await expect(at(Number.NaN)).rejects.toThrow(ChannelError);
  });

  it("neither sends nor receives once a key has expired", async () => {
    const [mine, theirs] = [generate(60), generate()];
    const clock = clockAt(NOW_MS);
    const channels = [channelOf(mine, theirs, { ...options, clock }), channelOf(theirs, mine, { ...options, clock })];
    const sealed = await Promise.all(channels.map((channel) => channel.sendSigned(PAYLOAD, IDS)));
    clock.ms = NOW_MS + 60_000;
    for (const [i, channel] of channels.entries()) {
      await expect(channel.sendSigned(PAYLOAD, IDS)).rejects.toMatchObject({
        name: "CryptoError",
        code: "KEY_EXPIRED",
      });
      await expect(channel.receiveSigned(sealed[1 - i] as Uint8Array, EXPECTED)).rejects.toEqual(
        refused("KEY_EXPIRED"),
      );
    }
  });
});

describe("a message of format 2", () => {
  it("is refused when any part of it was changed, with its own reason", async () => {
    const receive = (sealed: Uint8Array) => channelOf().receiveSigned(sealed, EXPECTED);
    expect(await receive(altered(BODY, (bytes) => bytes))).toEqual(PAYLOAD);
    for (const [part, code] of [
      [KIND, "MALFORMED"],
      [SUITE, "SUITE_MISMATCH"],
      [RECIPIENT, "WRONG_RECIPIENT"],
      [KEM, "TAMPERED"],
      [EPHEMERAL, "TAMPERED"],
      [HEADER, "TAMPERED"],
      [BODY, "TAMPERED"],
    ] as const) {
      await expect(receive(altered(part, flip)), `part ${part}`).rejects.toEqual(refused(code));
      const shorter = altered(part, (bytes) => bytes.subarray(1));
      await expect(receive(shorter), `part ${part}`).rejects.toBeInstanceOf(ChannelError);
    }
    await expect(receive(altered(KIND, () => utf8("data")))).rejects.toEqual(refused("UNSIGNED"));
    expect(() => channelOf().receiveData(sealedFor)).toThrow(refused("SIGNED"));
    await expect(receive(altered(EPHEMERAL, () => new Uint8Array(32)))).rejects.toEqual(refused("MALFORMED"));
  });

  it("is refused with parts of another message, cut short, or with bytes added", async () => {
    const another = unframe(await send(), 8) as Uint8Array[];
    for (const part of [KEM, EPHEMERAL, HEADER, BODY]) {
      const mixed = altered(part, () => another[part] as Uint8Array);
      await expect(channelOf().receiveSigned(mixed, EXPECTED), `part ${part}`).rejects.toEqual(refused("TAMPERED"));
    }
    for (let length = 0; length < sealedFor.length; length += 61) {
      const cut = sealedFor.subarray(0, length);
      await expect(channelOf().receiveSigned(cut, EXPECTED)).rejects.toEqual(refused("MALFORMED"));
    }
    const longer = Uint8Array.of(...sealedFor, 0);
    await expect(channelOf().receiveSigned(longer, EXPECTED)).rejects.toEqual(refused("MALFORMED"));
    const text = "sealed" as unknown as Uint8Array;
    await expect(channelOf().receiveSigned(text, EXPECTED)).rejects.toEqual(refused("MALFORMED"));
  });

  it("does not verify with a single bit flipped", { timeout: 60_000 }, async () => {
    const b = channelOf();
    // Every bit of the frame and of what is in the clear, and some of every byte that is sealed.
    for (let bit = 0; bit < sealedFor.length * 8; bit += bit < 160 * 8 ? 1 : 53) {
      const flipped = sealedFor.with(bit >> 3, (sealedFor[bit >> 3] as number) ^ (1 << (bit & 7)));
      await expect(b.receiveSigned(flipped, EXPECTED), `bit ${bit}`).rejects.toBeInstanceOf(ChannelError);
    }
    expect(await b.receiveSigned(sealedFor, EXPECTED)).toEqual(PAYLOAD);
  });

  it("shows neither payload, context, correlation nor sender in the clear", () => {
    const text = Buffer.from(sealedFor).toString("latin1");
    for (const hidden of ["refund", "eval-1", alice.id]) expect(text).not.toContain(hidden);
    expect(text).toContain("ml-dsa-65+ed25519");
  });

  it("is not sent with a payload, context or correlation out of bounds", async () => {
    const invalid = expect.objectContaining({ code: "CLAIMS_INVALID" });
    const a = channelOf(alice, bob);
    await expect(a.sendSigned(new Uint8Array(16 * 1024 * 1024 + 1), IDS)).rejects.toEqual(invalid);
    await expect(a.sendSigned(PAYLOAD, { ...IDS, contextId: "x".repeat(1025) })).rejects.toEqual(invalid);
    await expect(a.sendSigned(PAYLOAD, { ...IDS, correlationId: "\ud800" })).rejects.toEqual(invalid);
    await expect(a.sendSigned("text" as unknown as Uint8Array, IDS)).rejects.toEqual(invalid);
    const optionInvalid = expect.objectContaining({ code: "OPTION_INVALID" });
    expect(() => channelOf(alice, bob, { mode: 1 } as object)).toThrow(optionInvalid);
    await expect(a.sendSigned(PAYLOAD, { ...IDS, ttlMs: 1 } as never)).rejects.toEqual(optionInvalid);
    const more = { ...EXPECTED, expectedCorrelationId: "eval-2" } as never;
    await expect(channelOf().receiveSigned(sealedFor, more)).rejects.toEqual(optionInvalid);
  });
});

describe("ReplayMemory", () => {
  const take = (memory: ReplayMemory, id: string, sentAtMs: number, nowMs: number) => () =>
    memory.take(id, sentAtMs, nowMs);

  it("covers the window, forgets what lies before it, and nothing else", () => {
    const memory = new ReplayMemory({ windowMs: 10_000, messagesMax: 1_000 });
    for (let second = 0; second < 100; second++) {
      const nowMs = NOW_MS + second * 1000;
      expect(take(memory, `m-${second}`, nowMs, nowMs)).not.toThrow();
      for (let back = 0; back < 10 && back <= second; back++) {
        expect(take(memory, `m-${second - back}`, nowMs - back * 1000, nowMs)).toThrow(refused("REPLAYED"));
      }
      expect(memory.size).toBeLessThanOrEqual(12);
    }
    expect(take(memory, "m-80", NOW_MS + 80_000, NOW_MS + 99_000)).toThrow(refused("TOO_OLD"));
  });

  it("refuses more than it can remember, and takes again when some have grown old", () => {
    const memory = new ReplayMemory({ windowMs: 5000, messagesMax: 3 });
    for (const id of ["a", "b", "c"]) memory.take(id, NOW_MS, NOW_MS);
    expect(take(memory, "d", NOW_MS, NOW_MS)).toThrow(refused("REPLAY_MEMORY_FULL"));
    expect(take(memory, "a", NOW_MS, NOW_MS)).toThrow(refused("REPLAYED"));
    expect(take(memory, "d", NOW_MS + 6000, NOW_MS + 6000)).not.toThrow();
    expect(memory.size).toBe(1);
  });

  it("takes a message in a long window as fast as in a short one", () => {
    const cpuMsOf = (windowMs: number) => {
      const memory = new ReplayMemory({ windowMs });
      const before = process.threadCpuUsage();
      for (let second = 0; second < 20_000; second++) memory.take(`m-${second}`, second * 1000, second * 1000);
      const { user, system } = process.threadCpuUsage(before);
      return (user + system) / 1000;
    };
    cpuMsOf(10_000);
    // What looks at every second of the window takes hundreds of times as long.
    expect(cpuMsOf(30 * 86_400_000)).toBeLessThan(20 * cpuMsOf(10_000) + 100);
  });

  it("does not bring a forgotten message back when the clock is set back", () => {
    const memory = new ReplayMemory({ windowMs: 5000 });
    memory.take("a", NOW_MS, NOW_MS);
    memory.take("b", NOW_MS + 60_000, NOW_MS + 60_000);
    expect(take(memory, "a", NOW_MS, NOW_MS + 1)).toThrow(refused("TOO_OLD"));
  });

  it("can be shared, so that a channel made anew remembers", async () => {
    const replayMemory = new ReplayMemory();
    const sealed = await send();
    expect(await channelOf(bob, alice, { replayMemory }).receiveSigned(sealed, EXPECTED)).toEqual(PAYLOAD);
    await expect(channelOf(bob, alice, { replayMemory }).receiveSigned(sealed, EXPECTED)).rejects.toEqual(
      refused("REPLAYED"),
    );
  });

  it.each([{ windowMs: 999 }, { skewMs: -1 }, { messagesMax: 0 }, { max: 1 }])("refuses option %o", (option) => {
    expect(() => new ReplayMemory(option as object)).toThrow(expect.objectContaining({ code: "OPTION_INVALID" }));
  });
});
