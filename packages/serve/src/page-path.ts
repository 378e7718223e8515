/** Answers pages: whole bounded body in, one answer out, within the server's deadline. */
import type { ServerResponse } from "node:http";
import { Code } from "@connectrpc/connect";
import type { NodeRequest, NodeResponse } from "./connect-path.ts";
import type { Connection } from "./connection.ts";
import { callerGone, type OnInternalError, reported } from "./door.ts";
import type { ServeLimits } from "./limits.ts";
import { type Page, type PageAnswer, plain } from "./pages.ts";
import { deadlineExceeded } from "./public-error.ts";
import { bodyOf } from "./request-body.ts";
import { headersOf } from "./request-headers.ts";
import { timely } from "./timely.ts";

const STATUS: Readonly<Partial<Record<Code, number>>> = {
  [Code.InvalidArgument]: 400,
  [Code.Unauthenticated]: 401,
  [Code.PermissionDenied]: 403,
  [Code.NotFound]: 404,
  [Code.FailedPrecondition]: 412,
  [Code.ResourceExhausted]: 429,
  [Code.Unavailable]: 503,
  [Code.DeadlineExceeded]: 504,
};

const TOO_LARGE = plain(413, "the request is too large");

export async function answerPage(
  page: Page,
  request: NodeRequest,
  response: NodeResponse,
  connection: Connection,
  limits: ServeLimits,
  onInternalError: OnInternalError,
): Promise<void> {
  const answer = await pageAnswer(page, request, response, connection, limits).catch((error: unknown) => {
    const shown = reported(error, page.path, onInternalError);
    return plain(STATUS[shown.code] ?? 500, shown.rawMessage);
  });
  if (response.destroyed) return;
  const body = typeof answer.body === "string" ? Buffer.from(answer.body) : answer.body;
  const length = { "content-length": body.byteLength };
  if (connection.retired.aborted && !("stream" in response)) response.shouldKeepAlive = false;
  // Both kinds of response have the same methods with the same meaning; only their types cannot be called as one.
  const writable = response as ServerResponse;
  writable.writeHead(answer.status, { ...answer.headers, ...length });
  if (request.method === "HEAD") writable.end();
  else writable.end(body);
}

async function pageAnswer(
  page: Page,
  request: NodeRequest,
  response: NodeResponse,
  connection: Connection,
  limits: ServeLimits,
): Promise<PageAnswer> {
  const isHead = page.method === "GET" && request.method === "HEAD";
  if (request.method !== page.method && !isHead) {
    return { ...plain(405, "method not allowed"), headers: { allow: page.method } };
  }
  const body = await wholeBody(request, page.requestBytesMax ?? limits.requestBytesMax, limits.deadlineMs);
  if (body === undefined) return TOO_LARGE;
  const aborted = new AbortController();
  const late = setTimeout(() => aborted.abort(deadlineExceeded()), timerMs(limits.deadlineMs));
  const gone = () => aborted.abort(callerGone());
  response.once("close", gone);
  try {
    return await Promise.race([
      page.answer({
        headers: headersOf(request.headers),
        query: request.url?.split("?").slice(1).join("?") ?? "",
        body,
        peer: connection.peer,
        signal: aborted.signal,
      }),
      rejection(aborted.signal),
    ]);
  } finally {
    clearTimeout(late);
    response.off("close", gone);
  }
}

/** Undefined when there is more than `bytesMax`. */
async function wholeBody(request: NodeRequest, bytesMax: number, deadlineMs: number): Promise<Uint8Array | undefined> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of timely(bodyOf(request), timerMs(deadlineMs))) {
    size += chunk.byteLength;
    if (size > bytesMax) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size);
}

function rejection(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason), { once: true }));
}

/** Timers count in 31 bits; anything longer is as good as forever. */
function timerMs(ms: number): number {
  return Math.min(ms, 2 ** 31 - 1);
}
