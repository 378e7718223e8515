/** The chain of format 1 in the hands of somebody who may change any bit of its file, or spell it in another way. */
import { AuditChainError, AuditEntry, SignedAuditChain } from "@kavach/audit";
import { KavachKeyPair } from "@kavach/crypto";
import { describe, expect, it } from "vitest";

const clock = { nowMs: () => Date.UTC(2026, 10, 24, 12) + 123, monotonicMs: () => 0 };
const keyPair = KavachKeyPair.generate({ clock });
const bundle = keyPair.publicKeys();

function linesOfChain(hybrid: boolean): [string, string] {
  const chain = new SignedAuditChain(keyPair, { hybrid, clock });
  for (const agent of ["agent-1", "agent-2"]) chain.append(new AuditEntry(agent, "pay", "permit", "token", { clock }));
  return new TextDecoder().decode(chain.exportJsonl()).trimEnd().split("\n") as [string, string];
}

const bytesOf = (text: string) => new TextEncoder().encode(text);
const verify = (blob: Uint8Array | string, hybrid?: boolean) =>
  SignedAuditChain.verifyJsonl(typeof blob === "string" ? bytesOf(blob) : blob, bundle, {
    ...(hybrid !== undefined && { hybrid }),
  });

function errorOf(blob: Uint8Array | string, hybrid?: boolean): AuditChainError | undefined {
  try {
    verify(blob, hybrid);
    return undefined;
  } catch (error) {
    if (error instanceof AuditChainError) return error;
    throw error;
  }
}

/** Where a text stands in a line, as a range of bytes. */
function rangeOf(line: string, found: RegExp): [number, number] {
  const match = found.exec(line);
  if (match === null) throw new Error(`no ${found}`);
  return [match.index, match.index + match[0].length];
}

/**
 * What nothing covers, or what says the same in two ways: the key id; a small t or z in the time (RFC 3339, section 5.6), or a blank for
 * the T; and, where there is no Ed25519 signature, the name of the member that says so.
 */
function meansNothing(line: string, at: number, was: number, is: number): boolean {
  const [keyStart, keyEnd] = rangeOf(line, /(?<="key_id":")[^"]*/);
  if (at >= keyStart && at < keyEnd) return true;
  const [timeStart, timeEnd] = rangeOf(line, /(?<="signed_at":")[^"]*/);
  if (at >= timeStart && at < timeEnd) return "TZ".includes(String.fromCharCode(was)) && (was ^ is) === 0x20;
  const member = /(?<=")ed25519_signature(?=":null)/.exec(line);
  return member !== null && at >= member.index && at < member.index + member[0].length;
}

describe("every bit of a small chain of format 1", () => {
  it.each([true, false])("counts, or is known to mean nothing (hybrid: %s)", { timeout: 180_000 }, (hybrid) => {
    const [first, second] = linesOfChain(hybrid);
    const whole = bytesOf(`${first}\n${second}\n`);
    expect(verify(whole)).toBe(2);
    let accepted = 0;
    const [start, end] = rangeOf(second, /(?<="ml_dsa_signature":\[)[^\]]*/);
    for (let at = 0; at < whole.length; at++) {
      const [index, line, offset] = at <= first.length ? [0, first, at] : [1, second, at - first.length - 1];
      // Three thousand numbers are like one another: of the long signature, and of the first entry, every so many bytes stand for the rest.
      const inLong = index === 1 && offset >= start && offset < end;
      if ((inLong || index === 0) && at % 41 !== 0 && at !== first.length) continue;
      for (let bit = 0; bit < 8; bit++) {
        const was = whole[at] as number;
        const is = was ^ (1 << bit);
        const error = errorOf(whole.with(at, is));
        const what = `bit ${bit} of byte ${offset} of entry ${index}, ${String.fromCharCode(was)} to ${is}`;
        if (error === undefined) {
          accepted++;
          // The last line break of the file is nothing but one as well: a blank.
          expect(meansNothing(line, offset, was, is) || offset === second.length, what).toBe(true);
        } else if (error.code !== "MODE_MISMATCH") expect(error.index, what).toBe(index);
      }
    }
    expect(accepted).toBeGreaterThan(100);
  });
});

describe("another spelling of a chain of format 1", () => {
  const [first, second] = linesOfChain(true);
  const whole = `${first}\n${second}\n`;
  const signedAt = /"signed_at":"([^"]*)"/.exec(first)?.[1] as string;
  const at = (text: string) => first.replace(signedAt, text);

  it.each<[string, string]>([
    ["CRLF", whole.replaceAll("\n", "\r\n")],
    ["blank lines", `\n \t\r\n\f\n${first}\n\n${second}\n\n\n`],
    ["no break at the end", whole.trimEnd()],
    ["blanks of JSON around an entry", `${first}\n \t${second}\t \r\n`],
    ["an unknown member, long or deep", `${first.replace("{", `{"x":"${"a".repeat(3_000_000)}",`)}\n${second}`],
    ["a name with an escape", `${first.replace('"index"', '"\\u0069ndex"')}\n${second}`],
    ["the time of another zone", `${at("2026-11-24T17:30:00.123+05:30")}\n${second}`],
    ["the time with 9 digits", `${at("2026-11-24T12:00:00.123000000Z")}\n${second}`],
  ])("is the same chain: %s", (_, blob) => {
    expect(verify(blob, true)).toBe(2);
  });

  it.each<[string, string | Uint8Array, number]>([
    ["a byte order mark", `\ufeff${whole}`, 0],
    ["a byte order mark on a line of its own", `${first}\n\ufeff\n${second}`, 1],
    ["blanks that are none of JSON's", `\u00a0${whole}`, 0],
    ["a line of such blanks", `${first}\n\u2028\n${second}`, 1],
    ["a NUL", `${first}\n\0\n${second}`, 1],
    ["bytes that are no UTF-8", Buffer.concat([bytesOf(`${first}\n`), Uint8Array.of(0xc3, 0x28, 0x0a)]), 1],
    ["carriage returns alone", whole.replaceAll("\n", "\r"), 0],
    ["two entries on a line", `${first}${second}`, 0],
    ["a list of entries", `[${first},${second}]`, 0],
    ["a repeated name", first.replace("{", '{"index":0,'), 0],
    ["a name repeated with an escape", first.replace("{", '{"\\u0069ndex":0,'), 0],
    ["a repeated name further inside", first.replace('"signed_payload":{', '"signed_payload":{"nonce":"q",'), 0],
    ["an index beyond 64 bits", first.replace('"index":0', '"index":18446744073709551616'), 0],
    ["the greatest index of 64 bits", first.replace('"index":0', '"index":18446744073709551615'), 0],
    ["an index that is a text", first.replace('"index":0', '"index":"0"'), 0],
    ["a negative index", first.replace('"index":0', '"index":-1'), 0],
    ["a byte beyond 255", first.replace('"data":[', '"data":[256,'), 0],
    ["no key id", first.replace(/"key_id":"[^"]*",/, ""), 0],
    ["a lone surrogate", first.replace('"key_id":"', '"key_id":"\\ud800'), 0],
    ["a time without a zone", at(signedAt.replace("Z", "")), 0],
    ["a time that is no day", at("2026-02-30T12:00:00.123Z"), 0],
    ["a time with 10 digits", at("2026-11-24T12:00:00.1230000000Z"), 0],
    ["a line that is nothing but long", "1".repeat(2_000_000), 0],
  ])("is no entry: %s", (_, blob, index) => {
    expect(errorOf(blob)).toMatchObject({ code: "ENTRY_UNREADABLE", index });
  });

  it("has the signed time with the fewest of 0, 3, 6 or 9 digits, and is another one a nanosecond later", () => {
    expect(signedAt).toBe("2026-11-24T12:00:00.123Z");
    for (const time of ["2026-11-24T12:00:00.123000001Z", "2026-11-24T12:00:00.124Z", "2026-11-24T13:00:00.123Z"]) {
      expect(errorOf(at(time))).toMatchObject({ code: "SIGNATURE_INVALID", index: 0 });
    }
  });
});

describe("a chain of format 1 of two modes", () => {
  const [hybrid, hybrid2] = linesOfChain(true);
  const [pq, pq2] = linesOfChain(false);

  it("is refused at the entry where they meet, and as a whole where another mode is demanded", () => {
    expect(errorOf(`${hybrid}\n${pq2}`)).toMatchObject({ code: "MODE_MIXED", index: 1 });
    expect(errorOf(`${pq}\n${hybrid2}`)).toMatchObject({ code: "MODE_MIXED", index: 1 });
    expect(errorOf(`${hybrid}\n${hybrid2}`, false)).toMatchObject({ code: "MODE_MISMATCH", index: undefined });
    expect(errorOf(`${pq}\n${pq2}`, true)).toMatchObject({ code: "MODE_MISMATCH", index: undefined });
    expect(pq).toContain('"ed25519_signature":null');
  });

  it("is what an attacker without any key makes of a hybrid one, and why `hybrid` is to be demanded", async () => {
    const stripped = hybrid.replace(/"ed25519_signature":\[[^\]]*\]/, '"ed25519_signature":null');
    // The hash has no key: whoever strips the signature makes it anew.
    const link = JSON.parse(stripped);
    const { data, ml_dsa_signature: signature, nonce } = link.signed_payload;
    const text = [Buffer.from("genesis"), Buffer.from(data), Buffer.from(signature), Buffer.from(nonce)];
    const hashed = Buffer.concat([Buffer.alloc(8), ...text, Buffer.from("2026-11-24T12:00:00.123+00:00")]);
    const digest = new Uint8Array(await globalThis.crypto.subtle.digest("SHA-256", hashed));
    const made = JSON.stringify({ ...link, entry_hash: Buffer.from(digest).toString("hex") });
    expect(verify(made)).toBe(1);
    expect(errorOf(made, true)).toMatchObject({ code: "MODE_MISMATCH" });
  });
});
