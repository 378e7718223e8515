/** A watched policy file: every way to change it reaches the gate, what is no policy set does not, and nothing of half a file does. */
import { mkdir, mkdtemp, open, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PolicyError } from "@kavach/engine";
import { InputError } from "@kavach/model";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { eventually, POLICIES, POLICIES_TOML, report, said } from "./gate.test-kit.ts";
import { Gate } from "./gate.ts";
import { watchPolicyFile } from "./policy-file-watch.ts";

const FAST = { settleMs: 40, pollMs: 40 };
let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "kavach-watch-"));
  path = join(folder, "policies.toml");
  await writeFile(path, POLICIES_TOML);
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

const answer = async (gate: Gate) => said(await gate.evaluate(report()));
const REFUSED = expect.stringMatching(/^NO_POLICY_MATCH/);

describe("watchPolicyFile", () => {
  it("reloads after a rename, after truncation and writing, and by the timer alone", async () => {
    const gate = Gate.fromFile(path);
    using _watch = watchPolicyFile(gate, path, FAST);
    await writeFile(join(folder, "next"), "");
    await rename(join(folder, "next"), path);
    await eventually(() => answer(gate)).toEqual(REFUSED);
    await writeFile(path, POLICIES_TOML);
    await eventually(() => answer(gate)).toBe("permit");
    await rm(path);
    await writeFile(path, "");
    await eventually(() => answer(gate)).toEqual(REFUSED);
  });

  it("reloads when a link is pointed elsewhere", async () => {
    for (const [name, text] of [
      ["v1", POLICIES_TOML],
      ["v2", ""],
    ] as const) {
      await mkdir(join(folder, name));
      await writeFile(join(folder, name, "policies.toml"), text);
    }
    const mounted = join(folder, "mounted.toml");
    await symlink("v1", join(folder, "..data"));
    await symlink(join("..data", "policies.toml"), mounted);
    const gate = Gate.fromFile(mounted);
    using _watch = watchPolicyFile(gate, mounted, FAST);
    await symlink("v2", join(folder, "..next"));
    await rename(join(folder, "..next"), join(folder, "..data"));
    await eventually(() => answer(gate)).toEqual(REFUSED);
  });

  it("keeps the set when the file is none, tells once, and takes the next good one; JSON by its name", async () => {
    const json = join(folder, "policies.json");
    await writeFile(json, JSON.stringify(POLICIES));
    const gate = Gate.fromJsonFile(json);
    const [onError, onReload] = [vi.fn(), vi.fn()];
    using _watch = watchPolicyFile(gate, json, { ...FAST, onError, onReload });
    await eventually(() => onReload.mock.calls.length).toBe(1);
    await writeFile(json, '{"policies": [{"name": "p"');
    await eventually(() => onError.mock.calls.length).toBe(1);
    expect(onError.mock.calls[0]?.[0]).toBeInstanceOf(PolicyError);
    expect(String(onError.mock.calls[0]?.[0])).toContain("policies.json");
    expect(await answer(gate)).toBe("permit");
    await rm(json);
    await eventually(() => onError.mock.calls.length).toBe(2);
    expect(onError.mock.calls[1]?.[0]).toMatchObject({ code: "ENOENT" });
    expect(await answer(gate)).toBe("permit");
    await writeFile(json, '{"policies": []}');
    await eventually(() => answer(gate)).toEqual(REFUSED);
    expect(onError).toHaveBeenCalledTimes(2);
  });

  it("never lets half of a file in, while it is being written", async () => {
    const gate = Gate.fromFile(path);
    const reloaded: string[] = [];
    const target = {
      reload: (text: string, options: { readonly format: "toml" | "json"; readonly file: string }) => {
        reloaded.push(text);
        gate.reload(text, options);
      },
    };
    using _watch = watchPolicyFile(target, path, { settleMs: 2000, pollMs: 10 });
    const next = POLICIES_TOML.replace("5000.0", "6000.0");
    const file = await open(path, "w");
    for (let at = 0; at < next.length; at += 16) {
      await file.write(next.slice(at, at + 16));
      await file.sync();
      expect(await answer(gate)).toBe("permit");
    }
    await file.close();
    await eventually(() => reloaded).toEqual([next]);
  });

  it("stops when it is closed, and outlives a listener that throws", async () => {
    const gate = Gate.fromFile(path);
    const printed = vi.spyOn(console, "error").mockImplementation(() => undefined);
    const onError = vi.fn(() => {
      throw new Error("listener");
    });
    const watch = watchPolicyFile(gate, path, { ...FAST, onError });
    for (const [calls, bad] of ["bad", "worse"].entries()) {
      await writeFile(path, bad);
      await eventually(() => onError.mock.calls.length).toBe(calls + 1);
    }
    watch.close();
    const other = Gate.fromToml("");
    using _watch = watchPolicyFile(other, path, FAST);
    await writeFile(path, POLICIES_TOML.replace("fetch_report", "fetch_other"));
    await eventually(() => other.policyDigest).not.toBe(Gate.fromToml("").policyDigest);
    expect(await answer(gate)).toBe("permit");
    printed.mockRestore();
  });

  it.each([{ settleMs: 9 }, { pollMs: Number.NaN }, { debounceMs: 5 }, { onReload: 5 }])("refuses %o", (options) => {
    expect(() => watchPolicyFile(Gate.fromFile(path), path, options as object)).toThrow(InputError);
  });
});
