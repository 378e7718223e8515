/** A file that others rewrite: taken only when it has stopped changing, so that nobody reads half of it. */
import type { BigIntStats } from "node:fs";
import { readFile, stat } from "node:fs/promises";

export type Look =
  /** Nothing new since the last look that took something. */
  | { readonly kind: "same" }
  /** It changed a moment ago, or is changing. */
  | { readonly kind: "settling" }
  | { readonly kind: "text"; readonly text: string }
  /** It has been gone, or has been unreadable, for as long as a file must have settled. */
  | { readonly kind: "unreadable"; readonly error: unknown };

export class SettledFile {
  readonly #path: string;
  readonly #settleMs: number;
  #taken: string | undefined;
  #seen: { readonly print: string; readonly sinceMs: number } | undefined;

  /** `settleMs`: for how long nothing about the file may have changed. */
  constructor(path: string, settleMs: number) {
    this.#path = path;
    this.#settleMs = settleMs;
  }

  /** `nowMs`: monotonic. Never rejects. */
  async look(nowMs: number): Promise<Look> {
    const print = await this.#print();
    if (print === this.#taken) {
      this.#seen = undefined;
      return { kind: "same" };
    }
    if (this.#seen?.print !== print) {
      this.#seen = { print, sinceMs: nowMs };
      return { kind: "settling" };
    }
    if (nowMs - this.#seen.sinceMs < this.#settleMs) return { kind: "settling" };
    let look: Look;
    try {
      look = { kind: "text", text: await readFile(this.#path, "utf8") };
    } catch (error) {
      look = { kind: "unreadable", error };
    }
    const after = await this.#print();
    if (after !== print) {
      this.#seen = { print: after, sinceMs: nowMs };
      return { kind: "settling" };
    }
    this.#taken = print;
    this.#seen = undefined;
    return look;
  }

  /** Links are followed, so a link that is pointed elsewhere is a change. */
  async #print(): Promise<string> {
    let stats: BigIntStats;
    try {
      stats = await stat(this.#path, { bigint: true });
    } catch (error) {
      return `no file: ${(error as NodeJS.ErrnoException).code}`;
    }
    return [stats.dev, stats.ino, stats.size, stats.mtimeNs, stats.ctimeNs].join(":");
  }
}
