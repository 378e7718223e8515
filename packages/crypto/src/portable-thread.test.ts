import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";

/** Signs in the portable provider's thread, in a process that was started with the given flags. */
async function signedUnder(flags: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<string> {
  const script = `
    const { portableProvider } = await import(process.argv[1]);
    const { ML_DSA_65 } = await import(process.argv[2]);
    const key = portableProvider.secretKey(ML_DSA_65, new Uint8Array(32));
    const signature = await portableProvider.signInBackground(ML_DSA_65, key, new Uint8Array(1), new Uint8Array(0));
    console.log(signature.length);`;
  const files = ["./portable.ts", "./algorithms.ts"].map((file) => new URL(file, import.meta.url).href);
  // A thread that died or was forgotten would leave the process with an error, or not at all.
  const options = { timeout: 60_000, env: { ...process.env, ...env } };
  const { stdout } = await promisify(execFile)(process.execPath, [...flags, "-e", script, ...files], options);
  return stdout.trim();
}

describe("the portable provider's thread", () => {
  it.each([
    { flags: ["--input-type=module"] },
    {
      flags: [
        "--import",
        "data:text/javascript,import { isMainThread } from 'node:worker_threads'; if (!isMainThread) process.exit(1);",
      ],
    },
  ])("works in a process of any kind, and lets it end: $flags", async ({ flags }) => {
    expect(await signedUnder(flags)).toBe("3309");
  });

  it("works where NODE_OPTIONS names flags", async () => {
    expect(await signedUnder([], { NODE_OPTIONS: "--input-type=module" })).toBe("3309");
  });
});
