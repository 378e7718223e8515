/** Plain HTTP beside the services: a page has one method and path, gets a whole bounded body, and answers once. */
import type { Peer } from "./connection.ts";

export interface PageRequest {
  readonly headers: Headers;
  /** What follows `?`, undecoded. */
  readonly query: string;
  readonly body: Uint8Array;
  readonly peer: Peer;
  /** Fires at the deadline or when the caller goes away. */
  readonly signal: AbortSignal;
}

export interface PageAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array;
}

export interface Page {
  readonly method: "GET" | "POST";
  readonly path: string;
  /** Largest request body, bytes. Default: the server's `requestBytesMax`. */
  readonly requestBytesMax?: number;
  answer(request: PageRequest): PageAnswer | Promise<PageAnswer>;
}

export function plain(status: number, text: string): PageAnswer {
  return { status, headers: { "content-type": "text/plain; charset=utf-8" }, body: `${text}\n` };
}
