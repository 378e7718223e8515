/** The map's size follows what is alive. */
import { expect, it } from "vitest";
import { ExpiringMap } from "./expiring-map.ts";

it("ends an entry at its instant", () => {
  const map = new ExpiringMap<number>();
  map.set("a", 1, 10, 0);
  expect(map.get("a", 9.9)).toBe(1);
  expect(map.get("a", 10)).toBeUndefined();
});

it("stays as small as what is alive, however many came and went", () => {
  const map = new ExpiringMap<number>();
  for (let i = 0; i < 100_000; i++) map.set(`key ${i}`, i, i + 100, i);
  expect(map.size).toBeLessThan(300);
});
