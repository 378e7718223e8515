/** Opens what a log's files should be. A disk in wrong hands holds anything: a pipe would be waited for, a device read for ever. */
import { constants, type FileHandle, open } from "node:fs/promises";

/** Of a checkpoint, and of whatever else is read whole; one byte more shows that there is more. */
export const SMALL_BYTES_MAX: number = 16 * 1024;

/** What lies there is no file: a folder, a pipe, a device. */
export class NoFileError extends Error {
  readonly code = "NO_FILE";
}

/** Rejects with NoFileError, and with whatever the file system says. */
export async function openPlainFile(path: string): Promise<FileHandle> {
  // Where there are no pipes among files, there is no such flag.
  const file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  try {
    if (!(await file.stat()).isFile()) throw new NoFileError(`${path} is no file`);
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** The file's bytes, of a longer one no more than show that it is; undefined where there is none. Rejects as `openPlainFile` does. */
export async function readIfThere(path: string): Promise<Uint8Array | undefined> {
  let file: FileHandle;
  try {
    file = await openPlainFile(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  try {
    const buffer = new Uint8Array(SMALL_BYTES_MAX + 1);
    let held = 0;
    for (;;) {
      const { bytesRead } = await file.read(buffer, held, buffer.length - held, held);
      held += bytesRead;
      if (bytesRead === 0 || held === buffer.length) return buffer.slice(0, held);
    }
  } finally {
    await file.close();
  }
}

/** Whether files could not be read, and not a fault of this program. */
export function isOfFileSystem(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && (error as NodeJS.ErrnoException).syscall !== undefined;
}
