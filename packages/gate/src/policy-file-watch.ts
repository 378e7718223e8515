/** Reloads a gate's policies when their file changes: by rename, by truncation and writing, or by a link that is pointed elsewhere. */
import { type FSWatcher, watch } from "node:fs";
import { basename, dirname } from "node:path";
import { InputError } from "@kavach/model";
import { SYSTEM_CLOCK } from "@kavach/system";
import { unknownKeys } from "./option-keys.ts";
import { SettledFile } from "./settled-file.ts";

/** A `Gate`, or whatever else holds policies. Must throw, and keep what it has, where the text is no policy set. */
export interface PolicyTarget {
  reload(policies: string, options: { readonly format: "toml" | "json"; readonly file: string }): void;
}

export interface PolicyWatchOptions {
  /** Told after every set that was taken, the first one included. */
  readonly onReload?: () => void;
  /** Told once of every state of the file that is no policy set, or cannot be read. The set in force stays. Default: a line on stderr. */
  readonly onError?: (error: unknown) => void;
  /** A file is read when nothing about it has changed for so many milliseconds, 10 to 60,000. Default 200. */
  readonly settleMs?: number;
  /** Milliseconds between two looks where the file system reports nothing, 10 to 60,000. Default 1000. */
  readonly pollMs?: number;
}

export interface PolicyFileWatch extends Disposable {
  /** Stops. A look that is under way changes nothing any more. */
  close(): void;
}

/** A file whose name ends in `.json` is JSON, any other TOML. Does not keep the process alive. Throws `InputError` for options. */
export function watchPolicyFile(target: PolicyTarget, path: string, options: PolicyWatchOptions = {}): PolicyFileWatch {
  const watching = new Watching(target, path, checkOptions(options));
  watching.start();
  return { close: () => watching.close(), [Symbol.dispose]: () => watching.close() };
}

class Watching {
  readonly #target: PolicyTarget;
  readonly #path: string;
  readonly #options: Required<PolicyWatchOptions>;
  readonly #file: SettledFile;
  #bell: FSWatcher | undefined;
  #timer: NodeJS.Timeout | undefined;
  #looking = false;
  #rung = false;
  #closed = false;

  constructor(target: PolicyTarget, path: string, options: Required<PolicyWatchOptions>) {
    this.#target = target;
    this.#path = path;
    this.#options = options;
    this.#file = new SettledFile(path, options.settleMs);
  }

  start(): void {
    const file = basename(this.#path);
    try {
      // The folder, not the file: a file that is replaced takes its watch with it. Only a bell, for the
      // file itself and for the links of a mounted ConfigMap; the timer misses nothing.
      this.#bell = watch(dirname(this.#path), { persistent: false }, (_event, name) => {
        if (name === null || name === file || name.startsWith("..")) this.#look();
      });
      this.#bell.on("error", () => this.#bell?.close());
    } catch {
      this.#bell = undefined;
    }
    this.#look();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#bell?.close();
  }

  #look(): void {
    this.#rung = true;
    if (!this.#looking) void this.#lookUntilQuiet();
  }

  async #lookUntilQuiet(): Promise<void> {
    this.#looking = true;
    clearTimeout(this.#timer);
    let waitMs = this.#options.pollMs;
    while (this.#rung && !this.#closed) {
      this.#rung = false;
      const look = await this.#file.look(SYSTEM_CLOCK.monotonicMs());
      if (this.#closed) return;
      if (look.kind === "text") this.#take(look.text);
      if (look.kind === "unreadable") this.#tell(look.error);
      waitMs = look.kind === "settling" ? this.#options.settleMs : this.#options.pollMs;
    }
    this.#looking = false;
    if (!this.#closed) this.#timer = setTimeout(() => this.#look(), waitMs).unref();
  }

  #take(text: string): void {
    try {
      this.#target.reload(text, { format: this.#path.endsWith(".json") ? "json" : "toml", file: this.#path });
      this.#options.onReload();
    } catch (error) {
      this.#tell(error);
    }
  }

  /** Whoever listens must not be able to stop the watch. */
  #tell(error: unknown): void {
    try {
      this.#options.onError(error);
    } catch (thrown) {
      printError(this.#path, thrown);
    }
  }
}

const TIMES = ["settleMs", "pollMs"] as const;
const CALLS = ["onReload", "onError"] as const;

function checkOptions(options: PolicyWatchOptions): Required<PolicyWatchOptions> {
  const violations = unknownKeys(options, [...TIMES, ...CALLS]);
  const fail = (field: string, reason: string) => violations.push({ field, reason });
  for (const key of TIMES) {
    const value = options[key] ?? 10;
    if (!(typeof value === "number" && value >= 10 && value <= 60_000)) fail(key, "must be from 10 to 60000");
  }
  for (const key of CALLS) if (typeof (options[key] ?? printError) !== "function") fail(key, "must be a function");
  if (violations.length > 0) throw new InputError(violations);
  const { onReload = () => undefined, onError = (error) => printError("policies", error) } = options;
  return { onReload, onError, settleMs: options.settleMs ?? 200, pollMs: options.pollMs ?? 1000 };
}

function printError(what: string, error: unknown): void {
  console.error(`kavach: ${what}: the policies in force stay:`, error);
}
