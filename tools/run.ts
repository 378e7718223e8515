/** Runs one child process to its end, for the developer commands. */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** Resolves to the exit code; a signal counts as 1. Output goes straight through. */
export function run(
  command: string,
  args: readonly string[],
  options: { env?: NodeJS.ProcessEnv } = {},
): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: ROOT, stdio: "inherit", env: options.env ?? process.env });
    child.once("error", reject);
    child.once("exit", (code) => resolve(code ?? 1));
  });
}
