import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { envoyConfig } from "./envoy-config.ts";
import { toolPath } from "./tool-paths.ts";

const CONFIG = envoyConfig({
  port: 4600,
  adminPort: 9901,
  bind: "127.0.0.1",
  gates: [
    { host: "127.0.0.1", port: 4601 },
    { host: "127.0.0.1", port: 4602 },
  ],
});

async function validate(config: string): Promise<{ code: number; output: string }> {
  const folder = await mkdtemp(join(tmpdir(), "kavach-envoy-"));
  try {
    const path = join(folder, "envoy.json");
    await writeFile(path, config);
    return await new Promise((resolve) => {
      execFile(toolPath("envoy"), ["--mode", "validate", "-c", path], (error, stdout, stderr) => {
        resolve({ code: error === null ? 0 : Number(error.code), output: stdout + stderr });
      });
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

it("is taken by Envoy", async () => {
  const { code, output } = await validate(CONFIG);
  expect(code, output).toBe(0);
});

it("is judged by an Envoy that sees an unknown field", async () => {
  const { code, output } = await validate(CONFIG.replace("lb_policy", "lb_polyci"));
  expect(code).not.toBe(0);
  expect(output).toContain("lb_polyci");
});
