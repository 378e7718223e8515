/** One supervised child process on this machine: its output is kept, and it never outlives the test. */
import { type ChildProcess, spawn } from "node:child_process";

const LOG_CHARS_MAX = 1_000_000;

const living = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of living) child.kill("SIGKILL");
});

export interface ChildSpec {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** May be started again after it ended, with the same arguments. */
export class Child {
  readonly #spec: ChildSpec;
  #log = "";
  #running: { readonly process: ChildProcess; readonly ended: Promise<number> } | undefined;

  constructor(spec: ChildSpec) {
    this.#spec = spec;
  }

  /** Standard output and error of every start so far, the newest million characters. */
  get log(): string {
    return this.#log;
  }

  get isRunning(): boolean {
    return this.#running !== undefined;
  }

  /** Of the running process; undefined where none runs. */
  get pid(): number | undefined {
    return this.#running?.process.pid;
  }

  start(): void {
    if (this.#running !== undefined) throw new Error(`${this.#spec.name} is running already`);
    const { command, args, env } = this.#spec;
    const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...env } });
    living.add(child);
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        this.#log = (this.#log + text).slice(-LOG_CHARS_MAX);
      });
    }
    const ended = new Promise<number>((resolve) => {
      const end = (code: number) => {
        living.delete(child);
        this.#running = undefined;
        resolve(code);
      };
      child.once("error", (error) => {
        this.#log += `${error.message}\n`;
        end(127);
      });
      child.once("close", (code, signal) => end(code ?? (signal === null ? 1 : 128)));
    });
    this.#running = { process: child, ended };
  }

  /** Sends a signal; nothing happens where the process has ended. */
  signal(signal: NodeJS.Signals): void {
    this.#running?.process.kill(signal);
  }

  /** Resolves once the process has ended, with its exit code (128 where a signal ended it, 0 where it never ran). */
  async end(signal: NodeJS.Signals): Promise<number> {
    const running = this.#running;
    if (running === undefined) return 0;
    running.process.kill(signal);
    // A stopped process receives only SIGKILL until it is continued.
    if (signal !== "SIGKILL") running.process.kill("SIGCONT");
    return running.ended;
  }
}
