/** Request headers of a fast call: one header is read without building a Headers object, everything else builds it once. */
import type { IncomingHttpHeaders } from "node:http2";

export class RequestHeaders implements Headers {
  readonly #raw: IncomingHttpHeaders;
  #built: Headers | undefined;

  constructor(raw: IncomingHttpHeaders) {
    this.#raw = raw;
  }

  get(name: string): string | null {
    if (this.#built !== undefined) return this.#built.get(name);
    const value = name.startsWith(":") ? undefined : this.#raw[name.toLowerCase()];
    return value === undefined ? null : Array.isArray(value) ? value.join(", ") : value;
  }

  has(name: string): boolean {
    return this.get(name) !== null;
  }

  append(name: string, value: string): void {
    this.#all.append(name, value);
  }

  delete(name: string): void {
    this.#all.delete(name);
  }

  set(name: string, value: string): void {
    this.#all.set(name, value);
  }

  getSetCookie(): string[] {
    return this.#all.getSetCookie();
  }

  forEach(each: (value: string, key: string, parent: Headers) => void): void {
    this.#all.forEach((value, key) => {
      each(value, key, this);
    });
  }

  keys(): ReturnType<Headers["keys"]> {
    return this.#all.keys();
  }

  values(): ReturnType<Headers["values"]> {
    return this.#all.values();
  }

  entries(): ReturnType<Headers["entries"]> {
    return this.#all.entries();
  }

  [Symbol.iterator](): ReturnType<Headers["entries"]> {
    return this.#all.entries();
  }

  get #all(): Headers {
    this.#built ??= headersOf(this.#raw);
    return this.#built;
  }
}

/** Without pseudo-headers; repeated ones are joined as the Fetch standard says. */
export function headersOf(raw: IncomingHttpHeaders): Headers {
  const headers = new Headers();
  for (const [name, value] of Object.entries(raw)) {
    if (name.startsWith(":") || value === undefined) continue;
    for (const one of Array.isArray(value) ? value : [value]) headers.append(name, one);
  }
  return headers;
}
