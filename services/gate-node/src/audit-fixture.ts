/** What the tests of this service read of an audit log: its lines, as they lie on the disk. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { originFoldersIn } from "@kavach/audit";

export interface AuditLine {
  readonly evaluation_id: string;
  readonly principal_id: string;
  readonly found: { readonly kind: string };
  readonly returned: string;
  readonly policy_digest: string;
  readonly caller: string;
}

/** Entries of the one log in a node's `--audit-dir`, in order. */
export async function auditLines(dir: string): Promise<AuditLine[]> {
  const [origin, ...others] = await originFoldersIn(dir);
  if (origin === undefined || others.length > 0) throw new Error(`${dir} holds ${others.length + 1} logs`);
  return await entriesOf(origin);
}

export async function entriesOf(origin: string): Promise<AuditLine[]> {
  const names = (await readdir(origin)).filter((name) => name.endsWith(".jsonl")).toSorted();
  const texts = await Promise.all(names.map((name) => readFile(join(origin, name), "utf8")));
  // Each file begins with a line about itself, and ends with a line break.
  return texts.flatMap((text) => text.split("\n").slice(1, -1)).map((line) => JSON.parse(line));
}
