/** Keeps a second process from writing a log, for as long as the first one lives, however it ends. */
import { realpath } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { sha256 } from "@kavach/crypto";
import { AuditError } from "../errors.ts";

export type Unlock = () => Promise<void>;

/** Kept by the kernel, as a name that dies with the process; only Linux has such names. Rejects with AuditError `LOG_IN_USE`. */
export async function lockForWriting(folder: string): Promise<Unlock> {
  if (process.platform !== "linux") return async () => {};
  const path = new TextEncoder().encode(await realpath(folder));
  const name = `\0kavach-audit-${Buffer.from(sha256(path)).toString("hex").slice(0, 32)}`;
  const server = createServer((socket) => socket.destroy()).unref();
  await listen(server, name);
  return async () => {
    await new Promise<void>((resolve) => server.close(() => resolve()));
  };
}

function listen(server: Server, name: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (cause) => reject(new AuditError("LOG_IN_USE", "another process writes this log", { cause })));
    server.listen(name, resolve);
  });
}
