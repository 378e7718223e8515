/** Files are taken when they have settled: the three ways in which they are rewritten, step by step, on a clock moved by hand. */
import { mkdir, mkdtemp, open, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { SettledFile } from "./settled-file.ts";

const SETTLE_MS = 200;
let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "kavach-settled-"));
  path = join(folder, "policies.toml");
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

/** The file, taken once. */
async function taken(text: string) {
  await writeFile(path, text);
  const file = new SettledFile(path, SETTLE_MS);
  let nowMs = 0;
  const look = async (laterMs: number) => {
    nowMs += laterMs;
    const seen = await file.look(nowMs);
    return seen.kind === "text" ? seen.text : seen.kind;
  };
  expect([await look(0), await look(SETTLE_MS - 1), await look(1), await look(5000)]).toEqual([
    "settling",
    "settling",
    text,
    "same",
  ]);
  return look;
}

it("takes a file that was renamed into its place", async () => {
  const look = await taken("one");
  await writeFile(join(folder, "next"), "two");
  await rename(join(folder, "next"), path);
  expect([await look(0), await look(SETTLE_MS), await look(1)]).toEqual(["settling", "two", "same"]);
});

it("takes nothing of a file that is truncated and written bit by bit, until the last bit has settled", async () => {
  const look = await taken("one");
  const file = await open(path, "w");
  expect(await look(0)).toBe("settling");
  for (const part of ["[[policy]]\n", "name = 'p'\n", "effect = 'permit'\n"]) {
    expect(await look(SETTLE_MS - 1)).toBe("settling");
    await file.write(part);
    await file.sync();
    expect(await look(SETTLE_MS - 1)).toBe("settling");
  }
  await file.close();
  expect([await look(SETTLE_MS - 1), await look(1)]).toEqual([
    "settling",
    "[[policy]]\nname = 'p'\neffect = 'permit'\n",
  ]);
});

it("would take half a file if it did not wait", async () => {
  await writeFile(path, "one");
  const file = new SettledFile(path, 0);
  await file.look(0);
  const writing = await open(path, "w");
  await writing.write("half");
  await file.look(1);
  expect(await file.look(2)).toEqual({ kind: "text", text: "half" });
  await writing.close();
});

it("takes what a link points at after a swap, as a mounted ConfigMap does it", async () => {
  for (const [name, text] of [
    ["v1", "one"],
    ["v2", "two"],
  ] as const) {
    await mkdir(join(folder, name));
    await writeFile(join(folder, name, "policies.toml"), text);
  }
  await symlink("v1", join(folder, "..data"));
  await symlink(join("..data", "policies.toml"), path);
  const file = new SettledFile(path, SETTLE_MS);
  await file.look(0);
  expect(await file.look(SETTLE_MS)).toEqual({ kind: "text", text: "one" });
  await symlink("v2", join(folder, "..next"));
  await rename(join(folder, "..next"), join(folder, "..data"));
  expect(await file.look(SETTLE_MS + 1)).toEqual({ kind: "settling" });
  expect(await file.look(2 * SETTLE_MS + 1)).toEqual({ kind: "text", text: "two" });
});

it("says once that a file is gone, not when it is only being replaced, and takes it when it is back", async () => {
  const look = await taken("one");
  await rm(path);
  expect(await look(0)).toBe("settling");
  await writeFile(path, "two");
  expect([await look(1), await look(SETTLE_MS)]).toEqual(["settling", "two"]);
  await rm(path);
  expect([await look(1), await look(SETTLE_MS), await look(5000)]).toEqual(["settling", "unreadable", "same"]);
  await writeFile(path, "three");
  expect([await look(1), await look(SETTLE_MS)]).toEqual(["settling", "three"]);
});
