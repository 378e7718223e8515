/** The table against a Map: with names nobody would choose, and with more keys than hash values keep apart. */
import { describe, expect, it } from "vitest";
import { PackedTable } from "./packed-table.ts";

const KEY = { low: 0x01234567, high: 0x89abcdef };
const UUID = "0193a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b";
const ISSUED = `${"0123456789abcdef".repeat(2)}.${"fedcba9876543210"}`;

const NAMES = [
  ...[
    "",
    "a",
    "b",
    "ab",
    "\0",
    "\u{80}",
    "\u{ff}",
    "\u{100}",
    "\u{ff}\u{100}",
    "\ud800",
    "\udc00",
    "\ud800\udc00",
    "é",
    "e\u0301",
  ],
  ...[239, 240, 241, 255, 256, 257].flatMap((length) => ["x".repeat(length), "\u{3b1}".repeat(length)]),
  ...[UUID, UUID.toUpperCase(), UUID.replace("a", "A"), UUID.replaceAll("-", "."), UUID.replaceAll("-", "0")],
  ...[UUID.slice(1), `${UUID}0`, `${UUID.slice(0, 35)}g`, `-${UUID.slice(1)}`, UUID.replaceAll("-", "")],
  ...[ISSUED, ISSUED.toUpperCase(), ISSUED.replace(".", "-"), ISSUED.replace(".", "0"), ISSUED.replace(".", "")],
  ...["0".repeat(32), "0".repeat(31), "0".repeat(64), "0".repeat(63), "\u{130}".repeat(32), "__proto__", "constructor"],
  // What packed texts look like.
  ...["\u{f1}\u{1}", "\u{f2}", "\u{1}a", "\u{1}", "a\u{1}b", "\u{f0}\u{1}\0\0\0a"],
];

describe("exact", () => {
  it("keeps every pair of names apart from every other", () => {
    expect(new Set(NAMES).size).toBe(NAMES.length);
    const table = new PackedTable(KEY, 0);
    const handles = new Map<string, number>();
    const pairs = NAMES.flatMap((a, i) => NAMES.map((b, j) => ({ a, b, in: (i * NAMES.length + j) % 2 === 0 })));
    for (const space of [0, 1, 127, 128, 2 ** 32 - 1]) {
      for (const { a, b } of pairs.filter((pair) => pair.in))
        handles.set(JSON.stringify([space, a, b]), table.add(space, a, b));
    }
    expect(table.size).toBe(handles.size);
    expect(new Set(handles.values()).size).toBe(handles.size);
    for (const space of [0, 1, 2, 127, 128, 2 ** 32 - 1]) {
      const wrong = pairs.filter(({ a, b }) => table.find(space, a, b) !== handles.get(JSON.stringify([space, a, b])));
      expect(wrong).toEqual([]);
    }
  });

  it("keeps every name apart where a key is one", () => {
    const table = new PackedTable(KEY, 1);
    // Longer than a chunk, too.
    const names = [...NAMES, ...[65_536, 70_000].flatMap((length) => ["x".repeat(length), "\u{3b1}".repeat(length)])];
    for (const [index, name] of names.entries()) table.setNumber(table.add(7, name), 0, index);
    for (const [index, name] of names.entries()) {
      expect(table.number(table.find(7, name) as number, 0)).toBe(index);
      expect(table.find(8, name)).toBeUndefined();
    }
  });
});

describe("large", () => {
  // By the birthday bound some of these share all 32 bits of their hashes.
  const COUNT = 300_000;
  const idOf = (i: number) => `agent-${i}`;

  it("loses no key and no number while it grows, and finds nothing that was not added", () => {
    const table = new PackedTable(KEY, 3);
    for (let i = 0; i < COUNT; i++) {
      const entry = table.add(i % 3, idOf(i));
      for (const at of [0, 1, 2]) expect(table.number(entry, at)).toBe(0);
      table.setNumber(entry, 0, i);
      table.setNumber(entry, 1, Number.POSITIVE_INFINITY);
      table.setNumber(entry, 2, -i / 3);
      expect(table.add(i % 3, idOf(i))).toBe(entry);
    }
    expect(table.size).toBe(COUNT);
    let wrong = 0;
    for (let i = 0; i < COUNT; i++) {
      const entry = table.find(i % 3, idOf(i));
      if (entry === undefined || table.number(entry, 0) !== i || table.number(entry, 2) !== -i / 3) wrong += 1;
      if (table.find((i + 1) % 3, idOf(i)) !== undefined) wrong += 1;
      if (table.find(0, idOf(COUNT + i)) !== undefined) wrong += 1;
    }
    expect(wrong).toBe(0);
  });

  it("answers the same whatever the key of its hash", () => {
    for (const low of [0, 1, 0xffffffff]) {
      const table = new PackedTable({ low, high: 0 }, 0);
      for (let i = 0; i < 5000; i++) table.add(0, idOf(i), "s");
      const found = Array.from({ length: 10_000 }, (_, i) => table.find(0, idOf(i), "s") !== undefined);
      expect(found.indexOf(false)).toBe(5000);
      expect(found.lastIndexOf(true)).toBe(4999);
    }
  });
});
