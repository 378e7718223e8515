/** The reader stops at whatever is not plain; the writer refuses to hand out what it has not written. */
import { Bug } from "@kavach/model";
import { describe, expect, it } from "vitest";
import { bytesTag, doubleTag, PlainReader, PlainWriter, textSize, varintSize, varintTag } from "./index.ts";

const reader = (...bytes: number[]) => new PlainReader(Uint8Array.from(bytes));

describe("PlainReader", () => {
  it("reads fields one after the other, and messages in messages", () => {
    const plain = reader(
      bytesTag(1),
      2,
      0x68,
      0x69,
      varintTag(2),
      0xac,
      0x02,
      bytesTag(3),
      2,
      varintTag(1),
      1,
      varintTag(4),
      0,
    );
    expect([plain.tag(), plain.text(1, 10), plain.tag(), plain.varint(), plain.tag()]).toEqual([10, "hi", 16, 300, 26]);
    const outer = plain.enter();
    expect([plain.tag(), plain.varint(), plain.tag()]).toEqual([8, 1, 0]);
    plain.leave(outer);
    expect([plain.tag(), plain.varint(), plain.tag(), plain.plain]).toEqual([32, 0, 0, true]);
  });

  it.each<[string, (plain: PlainReader) => unknown, number[]]>([
    ["a tag of field 0", (plain) => plain.tag(), [0]],
    ["a tag of two bytes", (plain) => plain.tag(), [0x82, 0x01]],
    ["a number that does not end", (plain) => plain.varint(), [0x80]],
    ["a number beyond 2^49", (plain) => plain.varint(), [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]],
    ["a text beyond the end", (plain) => plain.text(0, 10), [3, 0x61, 0x61]],
    ["a text that is too long", (plain) => plain.text(0, 1), [2, 0x61, 0x61]],
    ["a text that is too short", (plain) => plain.text(1, 10), [0]],
    ["a letter beyond ASCII", (plain) => plain.text(0, 10), [2, 0xc3, 0xa9]],
    ["a control character", (plain) => plain.text(0, 10), [1, 0x1f]],
    ["DEL", (plain) => plain.text(0, 10), [1, 0x7f]],
    ["a message beyond the end", (plain) => plain.enter(), [3, 0x08, 0x01]],
    ["half a double", (plain) => plain.double(), [0, 0, 0, 0]],
    ["a double that is no number", (plain) => plain.double(), [0, 0, 0, 0, 0, 0, 0xf8, 0x7f]],
    ["an infinite double", (plain) => plain.double(), [0, 0, 0, 0, 0, 0, 0xf0, 0x7f]],
  ])("stops at %s", (_, read, bytes) => {
    const plain = reader(...bytes);
    read(plain);
    expect([plain.plain, plain.tag(), plain.varint()]).toEqual([false, 0, 0]);
  });

  it("stays where it stopped when a message around it is left", () => {
    const plain = reader(2, 0x08, 0x80, varintTag(1), 1);
    const outer = plain.enter();
    plain.tag();
    plain.varint();
    plain.leave(outer);
    expect([plain.tag(), plain.plain]).toEqual([0, false]);
  });

  it("knows doubles by their tag", () => {
    expect([varintTag(1), doubleTag(1), bytesTag(1)]).toEqual([8, 9, 10]);
  });
});

describe("PlainWriter", () => {
  it("leaves out what is empty, but no item of a list", () => {
    const writer = new PlainWriter(2, 1);
    writer.text(1, "");
    writer.number(2, 0);
    writer.raw(3, new Uint8Array(0));
    writer.textItem(4, "");
    expect([...writer.finish().subarray(1)]).toEqual([bytesTag(4), 0]);
  });

  it("measures and writes UTF-8 and numbers up to 2^53-1", () => {
    const size = textSize(16, "é€") + 1 + varintSize(Number.MAX_SAFE_INTEGER);
    const writer = new PlainWriter(size);
    writer.text(16, "é€");
    writer.number(1, Number.MAX_SAFE_INTEGER);
    expect(Buffer.from(writer.finish()).toString("hex")).toBe("820105c3a9e282ac08ffffffffffffff0f");
  });

  it.each([
    [3, "less"],
    [1, "more"],
  ])("refuses a message measured as %i bytes when %s was written", (size) => {
    const writer = new PlainWriter(size);
    writer.number(1, 1);
    expect(() => writer.finish()).toThrow(Bug);
  });
});
