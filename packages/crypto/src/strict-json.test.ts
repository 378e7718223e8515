import { describe, expect, it } from "vitest";
import { parseJsonStrictly } from "./strict-json.ts";

describe("strict JSON", () => {
  it.each([
    "{}",
    "[]",
    '"a:b"',
    '{"a":"\\"a\\":1,","b":{"a":[{"a":1},{"a":"}"}]},"":"\\\\"}',
    '{"a\\\\":1,"a\\\\\\"":2,"a" : 3}',
    `{"a":"${"\\\\".repeat(1001)}","b":"${'\\"'.repeat(1001)}"}`,
  ])("is read as JSON is: %s", (text) => {
    expect(parseJsonStrictly(text)).toEqual(JSON.parse(text));
  });

  it.each([
    '{"a":1,"a":1}',
    '{"a":1,"b":{},"\\u0061":2}',
    '[{"x":[1,{"a":"","b":"{","a"\n:1}]}]',
    '{"__proto__":1,"__proto__":2}',
    '{"a\\\\":1,"a\\\\":2}',
    "",
    "{",
    "{'a':1}",
    '{"a":01}',
  ])("with a name twice, or no JSON at all, is an error: %s", (text) => {
    expect(() => parseJsonStrictly(text)).toThrow(SyntaxError);
  });

  it("is read whatever its size or depth", () => {
    const long = '"\\'.repeat(6_000_000);
    expect(parseJsonStrictly(JSON.stringify({ long, after: 1 }))).toEqual({ long, after: 1 });
    expect(() => parseJsonStrictly(`{"a":${JSON.stringify(long)},"a":1}`)).toThrow(SyntaxError);
    const deep = `${"[".repeat(200_000)}${"]".repeat(200_000)}`;
    expect(Array.isArray(parseJsonStrictly(deep))).toBe(true);
  });
});
