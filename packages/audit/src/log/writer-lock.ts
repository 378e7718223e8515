/** Keeps a second process from writing a log, for as long as the first one lives, however it ends. */
import { join } from "node:path";
import { AuditError } from "../errors.ts";

export type Unlock = () => void;

const LOCK = "lock";
/** SQLite's code for a file that another connection holds. */
const BUSY = 5;

/**
 * A lock of the kernel on a file in the folder: it dies with its process, and holds between containers that share a disk. Node has no call
 * for such locks, but SQLite takes them on every platform; nothing is ever written to the file. Rejects with AuditError `LOG_IN_USE`, and
 * `LOCK_UNAVAILABLE` where the platform or the file system has none: two writers would tear the log.
 */
export async function lockForWriting(folder: string): Promise<Unlock> {
  try {
    const { DatabaseSync } = await import("node:sqlite");
    const lock = new DatabaseSync(join(folder, LOCK));
    try {
      lock.exec("PRAGMA journal_mode = MEMORY; PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE");
    } catch (error) {
      lock.close();
      throw error;
    }
    return () => lock.close();
  } catch (cause) {
    if ((cause as { readonly errcode?: number }).errcode === BUSY) {
      throw new AuditError("LOG_IN_USE", "another process writes this log", { cause });
    }
    throw new AuditError("LOCK_UNAVAILABLE", "the folder of the log cannot be locked against a second writer", {
      cause,
    });
  }
}
