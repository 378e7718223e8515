import { spawnSync } from "node:child_process";
import { expect, it } from "vitest";
import { isOwnerGone, ownedNetworkName, ownerOfNetwork } from "./owner.ts";

it("knows a process that is there from one that is gone", () => {
  const gone = spawnSync(process.execPath, ["--eval", ""]).pid;
  expect(isOwnerGone(String(process.pid))).toBe(false);
  expect(isOwnerGone(String(gone))).toBe(true);
});

it.each(["", "0", "-1", "1.5", "all", "NaN"])("takes nothing from an owner called '%s'", (owner) => {
  expect(isOwnerGone(owner)).toBe(false);
});

it("finds the owner in the name of a network, and none in a neighbour's", () => {
  expect(ownerOfNetwork(ownedNetworkName())).toBe(String(process.pid));
  expect(ownedNetworkName()).not.toBe(ownedNetworkName());
  for (const name of ["bridge", "kavach-test", "kavach-test-x-1", "my-kavach-test-1-1"]) {
    expect(ownerOfNetwork(name)).toBeUndefined();
  }
});
