/** `npm start`: runs a gate-node on the embedded store with the example policies, and prints what to try. */
import { spawn } from "node:child_process";
import { ROOT } from "./run.ts";

const HOST = "127.0.0.1:4600";
const ADMIN = "127.0.0.1:4601";
const READY_MS = 20_000;

const REQUEST =
  '{"context":{"principal":{"id":"agent-bot","kind":"PRINCIPAL_KIND_AGENT"},"action":{"name":"issue_refund","params":{"amount":500}}}}';

const WELCOME = `
Kavach is listening on ${HOST} (health and metrics on ${ADMIN}).
An agent may issue_refund up to 1000; nothing else is permitted. Three requests to paste, from this folder:

1. curl, JSON over HTTP/1.1:

curl -s http://${HOST}/kavach.v1.GateService/Evaluate -H 'content-type: application/json' \\
  -d '${REQUEST}'

2. buf curl, gRPC:

npx buf curl --protocol grpc --http2-prior-knowledge http://${HOST}/kavach.v1.GateService/Evaluate \\
  -d '${REQUEST}'

3. TypeScript:

npx node --input-type=module-typescript -e '
import { GateClient } from "@kavach/client";
const gate = new GateClient({ endpoints: ["${HOST}"] });
const verdict = await gate.evaluate({ principalId: "agent-bot", principalKind: "agent", actionName: "issue_refund", params: { amount: 500 } });
console.log(verdict.kind, verdict.kind === "permit" ? verdict.tokenId : verdict.reason);
gate.close();
'

Try an amount of 5000, too. Ctrl-C stops the gate.
`;

async function isReady(): Promise<boolean> {
  try {
    return (await fetch(`http://${ADMIN}/readyz`)).ok;
  } catch {
    return false;
  }
}

const args = [
  "--max-semi-space-size=8",
  "--no-allocation-site-pretenuring",
  "--heap-growing-percent=100",
  "services/gate-node/src/main.ts",
  "--config",
  "examples/gate-node.toml",
  ...process.argv.slice(2),
];
const child = spawn(process.execPath, args, {
  cwd: ROOT,
  stdio: "inherit",
  env: { ...process.env, MALLOC_ARENA_MAX: "1" },
});
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => child.kill(signal));
child.once("exit", (code) => process.exit(code ?? 1));

// With flags of one's own the addresses may be others; the gate says where it listens.
if (process.argv.length === 2) {
  const deadline = performance.now() + READY_MS;
  while (performance.now() < deadline && child.exitCode === null && !(await isReady())) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  if (child.exitCode === null)
    console.log((await isReady()) ? WELCOME : "The gate is not ready yet; see its lines above.");
}
