/** The published Python package, running: its own virtual environment under .cache/, one process that answers requests. */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { REPO } from "@kavach/testkit";

const VENV = join(REPO, ".cache/kavach-sdk");
const REQUIREMENT = "kavach-sdk==0.1.5";
const STAMP = join(VENV, "requirement.installed");
const SCRIPT = join(REPO, "test/interop/kavach_sdk.py");
const run = promisify(execFile);

export class KavachSdk {
  readonly #process: ChildProcess;
  readonly #answers: AsyncIterator<string>;

  private constructor(process: ChildProcess, answers: AsyncIterator<string>) {
    this.#process = process;
    this.#answers = answers;
  }

  /** Installs what is missing. Rejects, with pip's own words, where the package cannot be had. */
  static async start(): Promise<KavachSdk> {
    const python = join(VENV, "bin/python");
    if ((await readFile(STAMP, "utf8").catch(() => undefined)) !== REQUIREMENT) {
      await rm(VENV, { recursive: true, force: true });
      await mkdir(join(REPO, ".cache"), { recursive: true });
      await run("python3", ["-m", "venv", VENV]);
      await run(python, ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", REQUIREMENT]);
      await writeFile(STAMP, REQUIREMENT);
    }
    const process = spawn(python, [SCRIPT], { stdio: ["pipe", "pipe", "inherit"] });
    const lines = createInterface({ input: process.stdout as NodeJS.ReadableStream });
    return new KavachSdk(process, lines[Symbol.asyncIterator]());
  }

  /** What the package answers; rejects with its ValueError. One request at a time. */
  async ask(command: string, parameters: object = {}): Promise<unknown> {
    this.#process.stdin?.write(`${JSON.stringify({ command, ...parameters })}\n`);
    const { value, done } = await this.#answers.next();
    if (done === true) throw new Error(`the Python process ended while it was asked to ${command}`);
    const answer = JSON.parse(value) as { ok: boolean; value?: unknown; error?: string };
    if (!answer.ok) throw new Error(answer.error);
    return answer.value;
  }

  async bytes(command: string, parameters: object = {}): Promise<Uint8Array<ArrayBuffer>> {
    return new Uint8Array(Buffer.from((await this.ask(command, parameters)) as string, "base64"));
  }

  stop(): void {
    this.#process.stdin?.end();
  }
}
