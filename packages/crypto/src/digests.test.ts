import { describe, expect, it } from "vitest";
import { paramsDigest, tokenIdOf } from "./digests.ts";
import { utf8 } from "./framing.ts";
import { sha256 } from "./provider.ts";

describe("paramsDigest", () => {
  it.each<[string, [string, string | number | boolean][]]>([
    ["{}", []],
    [
      '{"amount":1000,"ok":true}',
      [
        ["ok", true],
        ["amount", 1000],
      ],
    ],
    [
      '{"a":0,"b":1e+21,"c":0.1}',
      [
        ["c", 0.1],
        ["b", 1e21],
        ["a", -0],
      ],
    ],
    // RFC 8785, section 3.2.3: by UTF-16 code units, so the surrogate pair comes before the private-use character.
    [
      '{"\u20ac":1,"\ud83d\ude00":2,"\ufb33":3}',
      [
        ["\ufb33", 3],
        ["\ud83d\ude00", 2],
        ["\u20ac", 1],
      ],
    ],
    [
      '{"__proto__":"x","constructor":"y","toJSON":"z"}',
      [
        ["toJSON", "z"],
        ["constructor", "y"],
        ["__proto__", "x"],
      ],
    ],
    [
      '{"1":"a","10":"b","2":"c"}',
      [
        ["10", "b"],
        ["2", "c"],
        ["1", "a"],
      ],
    ],
  ])("hashes %s", (text, pairs) => {
    expect(paramsDigest(new Map(pairs))).toEqual(sha256(utf8(text)));
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY, "\udfff"])("refuses %s", (value) => {
    expect(() => paramsDigest(new Map([["a", value]]))).toThrow(expect.objectContaining({ code: "CLAIMS_INVALID" }));
  });

  it("hands out a digest that its caller may change", () => {
    paramsDigest(new Map()).fill(0);
    expect(paramsDigest(new Map())).toEqual(sha256(utf8("{}")));
  });
});

describe("tokenIdOf", () => {
  const text = (id: Uint8Array) => Buffer.from(id).toString("hex");

  it("is a UUID of version 8, with what is left of the digest's first 16 bytes", () => {
    expect(text(tokenIdOf(new Uint8Array(32).fill(0xff)))).toBe("ffffffffffff8fffbfffffffffffffff");
    expect(text(tokenIdOf(new Uint8Array(32)))).toBe("00000000000080008000000000000000");
    expect(text(tokenIdOf(sha256(utf8("r"))))).toMatch(/^[0-9a-f]{12}8[0-9a-f]{3}[89ab][0-9a-f]{15}$/);
  });
});
