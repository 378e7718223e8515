/** Policy text as a value that still knows where each of its parts stood. */
import type { PolicyFault } from "./faults.ts";

export type Path = readonly (string | number)[];

export interface Position {
  /** From 1. */
  readonly line: number;
  /** From 1. */
  readonly column: number;
}

export interface SourceDocument {
  readonly value: unknown;
  /** Where the key at the end of `path` stands, or the nearest part that holds it; undefined where there are no lines. */
  locate(path: Path): Position | undefined;
  /** What the text itself breaks, such as repeated keys. */
  readonly faults: readonly SourceFault[];
}

export interface SourceFault {
  readonly path: Path;
  readonly key?: string;
  readonly message: string;
  readonly position?: Position;
}

/** The text cannot be read at all. */
export class SourceError extends Error {
  readonly fault: PolicyFault;

  constructor(fault: PolicyFault) {
    super(fault.message);
    this.fault = fault;
  }
}

/** `policies[0].conditions[1].action`; keys that are no plain words are quoted. */
export function pathText(path: Path): string {
  let text = "";
  for (const part of path) {
    if (typeof part === "number") text += `[${part}]`;
    else if (/^[A-Za-z_][\w-]*$/.test(part)) text += text === "" ? part : `.${part}`;
    else text += `[${JSON.stringify(part)}]`;
  }
  return text;
}

/** Positions by path, with the nearest known ancestor as the answer for what is not there. */
export class PositionTable {
  readonly #byPath = new Map<string, Position>();

  set(path: Path, position: Position): void {
    const key = JSON.stringify(path);
    if (!this.#byPath.has(key)) this.#byPath.set(key, position);
  }

  find(path: Path): Position | undefined {
    for (let length = path.length; length >= 0; length--) {
      const found = this.#byPath.get(JSON.stringify(path.slice(0, length)));
      if (found !== undefined) return found;
    }
    return undefined;
  }
}

/** A plain value from outside, which has no lines. */
export function objectDocument(value: unknown): SourceDocument {
  return { value, locate: () => undefined, faults: [] };
}
