/** The Python example, ready to run: its own virtual environment under .cache/, its stubs generated from the contract. */
import { execFile } from "node:child_process";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { REPO } from "@kavach/testkit";

const EXAMPLE = join(REPO, "examples/python");
const VENV = join(REPO, ".cache/python-example");
const STAMP = join(VENV, "requirements.installed");
/** Oldest Python the example runs on. */
const WANTED = "3.9";

export interface Ended {
  readonly code: number;
  readonly output: string;
}

/** Runs one of the example's scripts, such as `refund.py`, to its end. */
export type RunExample = (script: string, ...args: string[]) => Promise<Ended>;

/** Makes what is missing. Throws, saying what to install, where this machine cannot run the example. */
export async function preparePython(): Promise<RunExample> {
  await demandPython();
  const python = join(VENV, "bin/python");
  const requirements = await readFile(join(EXAMPLE, "requirements.txt"), "utf8");
  if ((await readFile(STAMP, "utf8").catch(() => undefined)) !== requirements) {
    await rm(VENV, { recursive: true, force: true });
    await mkdir(join(REPO, ".cache"), { recursive: true });
    await demand("python3 -m venv", "python3", ["-m", "venv", VENV]);
    const install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", "requirements.txt"];
    await demand("pip install", python, install);
    await writeFile(STAMP, requirements);
  }
  // Always anew: stubs of another contract would prove nothing about this one.
  await demand("generate.sh", "sh", ["generate.sh"], { PYTHON: python });
  return (script, ...args) => run(python, [script, ...args]);
}

async function demandPython(): Promise<void> {
  const version = WANTED.replace(".", ", ");
  const probe = `import ensurepip, venv, sys; sys.exit(0 if sys.version_info >= (${version}) else sys.version.split()[0])`;
  const { code, output } = await run("python3", ["-c", probe]);
  if (code === 0) return;
  const found = output.trim().split("\n").at(-1);
  throw new Error(
    `the Python example needs python3 >= ${WANTED} with venv; this machine says: ${found}. Debian, Ubuntu: apt-get install python3 python3-venv`,
  );
}

async function demand(what: string, command: string, args: string[], env: NodeJS.ProcessEnv = {}): Promise<void> {
  const { code, output } = await run(command, args, env);
  if (code !== 0) throw new Error(`${what} failed with ${code}:\n${output}`);
}

function run(command: string, args: string[], env: NodeJS.ProcessEnv = {}): Promise<Ended> {
  const options = { cwd: EXAMPLE, env: { ...process.env, ...env }, timeout: 90_000 };
  return new Promise((resolve) => {
    execFile(command, args, options, (error, stdout, stderr) => {
      const output = stdout + stderr;
      if (error === null) resolve({ code: 0, output });
      else if (typeof error.code === "number") resolve({ code: error.code, output });
      // Not found, or ended by a signal.
      else resolve({ code: 127, output: `${output}${error.message}\n` });
    });
  });
}
