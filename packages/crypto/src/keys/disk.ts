/** Writes files whole or not at all. */
import { open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";

/**
 * Replaces the file by one that its owner alone may read, durable when this resolves; a crash leaves the old file or the new one.
 * Rejects with whatever the file system says.
 */
export async function replaceFile(path: string, content: Uint8Array): Promise<void> {
  const draft = `${path}.new`;
  // What an earlier crash left behind may have other rights.
  await rm(draft, { force: true });
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
