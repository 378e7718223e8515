/** Writes files whole or not at all, and reads no more of one than is asked for. */
import { createReadStream } from "node:fs";
import { open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { concat } from "../framing.ts";
import { provider } from "../provider.ts";

/**
 * The content of a file; of one that is longer than `bytesMax`, one byte more than that, for the reader to refuse. Rejects with whatever
 * the file system says.
 */
export async function readAtMost(path: string, bytesMax: number): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of createReadStream(path, { end: bytesMax })) chunks.push(chunk);
  const content = concat(...chunks);
  // It may be a secret, and only the copy is the caller's to wipe.
  for (const chunk of chunks) chunk.fill(0);
  return content;
}

/**
 * Replaces the file by one that its owner alone may read, durable when this resolves; a crash leaves the old file or the new one, and
 * perhaps a draft beside it, for its owner alone as well. Of writers at the same time, one is the last. Rejects with whatever the file
 * system says.
 */
export async function replaceFile(path: string, content: Uint8Array): Promise<void> {
  // Of its own, or another writer would give its half-written draft the file's name.
  const draft = `${path}.${Buffer.from(provider.randomBytes(8)).toString("hex")}.new`;
  try {
    const file = await open(draft, "wx", 0o600);
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
  const folder = await open(dirname(path), "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
