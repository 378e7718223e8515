/** How commands say that a file or folder given in an option cannot be read. */
import { ConfigError } from "@kavach/service";

/** Rejects with ConfigError naming option, path and the system's code; other faults pass as they are. */
export async function readable<T>(option: string, path: string, read: (path: string) => Promise<T>): Promise<T> {
  try {
    return await read(path);
  } catch (cause) {
    const { code, syscall } = cause as NodeJS.ErrnoException;
    if (syscall === undefined) throw cause;
    throw new ConfigError(`${option}: cannot read ${path}: ${code}`, { cause });
  }
}
