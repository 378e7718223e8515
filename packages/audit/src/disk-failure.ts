/** Tells a disk that has no room for a while from one that failed. */

/** No room, no quota, no free file descriptor. */
const PASSING: ReadonlySet<string> = new Set(["ENOSPC", "EDQUOT", "EMFILE", "ENFILE"]);

/**
 * True where the same may be tried again. After any other failure nobody knows what the disk has kept: a second sync may succeed because
 * the first one has let go of what it could not write.
 */
export function passesByItself(error: unknown): boolean {
  return error instanceof Error && PASSING.has(String((error as NodeJS.ErrnoException).code));
}
