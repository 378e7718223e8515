/** Reads a manifest over HTTP. What it brings is only believed because the root signed it. */
import { MANIFEST_BYTES_MAX } from "../v1/manifest.ts";
import type { ReadBytes } from "./source.ts";

/** No redirects, no content but that of status 200, bounded in time and size. `timeoutMs`: for the whole answer. */
export function httpReader(url: URL, timeoutMs: number): ReadBytes {
  return async () => {
    const response = await fetch(url, { redirect: "error", signal: AbortSignal.timeout(timeoutMs) });
    if (response.status !== 200 || response.body === null) {
      await response.body?.cancel();
      throw new Error(`answered with status ${response.status}`);
    }
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
      size += chunk.length;
      if (size > MANIFEST_BYTES_MAX) throw new Error("the answer is too long");
      chunks.push(chunk);
    }
    return new Uint8Array(Buffer.concat(chunks));
  };
}
