// Asks the service that runs in this container whether it is ready, at the admin address it was started with.
import { readFileSync } from "node:fs";

const words = readFileSync("/proc/1/cmdline", "utf8").split("\0");
const flag = words.indexOf("--admin-listen");
const written = words.find((word) => word.startsWith("--admin-listen="))?.slice("--admin-listen=".length);
const usual = words.some((word) => word.includes("fanout/main.js")) ? "0.0.0.0:4701" : "0.0.0.0:4601";
const address = written ?? (flag < 0 ? undefined : words[flag + 1]) ?? process.env.KAVACH_ADMIN_LISTEN ?? usual;
const port = address.slice(address.lastIndexOf(":") + 1);

try {
  const answer = await fetch(`http://127.0.0.1:${port}/readyz`, { signal: AbortSignal.timeout(1500) });
  process.exitCode = answer.ok ? 0 : 1;
} catch {
  process.exitCode = 1;
}
