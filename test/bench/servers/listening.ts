/** What every server of the benchmark does the same: it takes its port as first argument and says when it listens. */

export const HOST = "127.0.0.1";

/** The line the benchmark waits for. */
export const LISTENING = "listening\n";

export function portArgument(): number {
  const port = Number(process.argv[2]);
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw new Error("the first argument must be a port");
  return port;
}

export function sayListening(): void {
  process.stdout.write(LISTENING);
}
