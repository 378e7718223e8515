import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ChannelError } from "../errors.ts";
import { KavachKeyPair } from "../keys/key-pair.ts";
import { clockAt } from "../permits/permit-fixture.ts";
import { apply, type Op } from "../v1/changes-fixture.ts";
import { SecureChannel } from "./secure-channel.ts";

interface Answer {
  readonly ok: boolean;
  readonly value_b64?: string;
}
interface Message {
  readonly name: string;
  readonly kind: "signed" | "data";
  readonly plaintext_b64: string;
  readonly context_id: string | null;
  readonly correlation_id: string | null;
  readonly sealed: string;
}
interface Case {
  readonly name: string;
  readonly base: string;
  readonly receiver: string;
  readonly expected_sender: string;
  readonly receive: "signed" | "data";
  readonly expected_context_id: string;
  readonly ops?: readonly Op[];
  readonly python: Answer | readonly Answer[];
}

const FOLDER = join(import.meta.dirname, "../../../../test/vectors/kavach-python");
const load = (file: string) => JSON.parse(readFileSync(join(FOLDER, file), "utf8"));
const { messages, cases } = load("channel.json") as { messages: Message[]; cases: Case[] };
const keyPairs = new Map<string, KavachKeyPair>(
  load("keys.json").keypairs.map((key: { name: string; secret_bytes_b64: string }) => [
    key.name,
    KavachKeyPair.fromSecretBytes(Buffer.from(key.secret_bytes_b64, "base64")),
  ]),
);
const keyOf = (name: string) => keyPairs.get(name) as KavachKeyPair;
// A minute after the messages were made.
const clock = clockAt(Date.parse("2026-11-24T10:10:26Z"));
const channel = (mine: string, theirs: string) =>
  new SecureChannel(keyOf(mine), keyOf(theirs).publicKeys(), { compatibility: "v1", clock });
const utf8 = (text: string) => new TextEncoder().encode(text);

async function receive(on: SecureChannel, kind: "signed" | "data", sealed: Uint8Array, expectedContextId: string) {
  return kind === "signed" ? await on.receiveSigned(sealed, { expectedContextId }) : on.receiveData(sealed);
}

describe("channel messages of the Python package 0.1.5", () => {
  it.each(messages)("$name: opened to the same bytes, and sealed again for the same reader", async (message) => {
    const plaintext = new Uint8Array(Buffer.from(message.plaintext_b64, "base64"));
    const context = message.context_id ?? "";
    expect(await receive(channel("bob", "alice"), message.kind, utf8(message.sealed), context)).toEqual(plaintext);
    const alice = channel("alice", "bob");
    const ids = { contextId: context, correlationId: message.correlation_id ?? "" };
    const again = message.kind === "signed" ? await alice.sendSigned(plaintext, ids) : alice.sendData(plaintext);
    const [ours, theirs] = [JSON.parse(new TextDecoder().decode(again)), JSON.parse(message.sealed)];
    expect(Object.keys(ours)).toEqual(Object.keys(theirs));
    expect([ours.auth_tag, ours.recipient_key_id]).toEqual([theirs.auth_tag, theirs.recipient_key_id]);
    expect(await receive(channel("bob", "alice"), message.kind, again, context)).toEqual(plaintext);
  });

  it.each(cases)("$name: the same answer", async (one) => {
    const { sealed } = messages.find(({ name }) => name === one.base) as Message;
    const json = JSON.parse(sealed);
    for (const op of one.ops ?? []) apply(json, op);
    const on = channel(one.receiver, one.expected_sender);
    for (const { ok, value_b64 } of [one.python].flat() as Answer[]) {
      const received = receive(on, one.receive, utf8(JSON.stringify(json)), one.expected_context_id);
      if (ok) expect(await received).toEqual(new Uint8Array(Buffer.from(value_b64 ?? "", "base64")));
      else await expect(received).rejects.toBeInstanceOf(ChannelError);
    }
  });

  it("are as many as there were", () => {
    expect([messages.length, cases.length]).toEqual([5, 19]);
  });

  it("are not taken by a channel of format 2, nor its messages by one of format 1", async () => {
    const ours = new SecureChannel(keyOf("bob"), keyOf("alice").publicKeys(), { clock });
    const sealed = utf8((messages[0] as Message).sealed);
    const malformed = expect.objectContaining({ code: "MALFORMED" });
    await expect(ours.receiveSigned(sealed, { expectedContextId: "issue_refund" })).rejects.toEqual(malformed);
    const modern = new SecureChannel(keyOf("alice"), keyOf("bob").publicKeys(), { clock });
    const message = await modern.sendSigned(utf8("x"), { contextId: "", correlationId: "" });
    await expect(channel("bob", "alice").receiveSigned(message, { expectedContextId: "" })).rejects.toEqual(malformed);
  });
});
